"""A user's own arrays in one `.npz` file; MedMNIST's files have the same layout.

Keys are `train_images`, `train_labels`, and the same of `val` and `test` if there are any, or names
that mean the same, such as `x_valid` or `y_test`. Images are uint8, (n, h, w) or (n, h, w, c) with
h == w and c either 1 or 3; labels are integers 0..k-1, (n,) or (n, 1).
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.checkpoint.os_errors import user_file_errors
from emtnas_hpc.data.folders import counted, parts_called
from emtnas_hpc.data.images import SPLITS, Images, Split
from emtnas_hpc.data.raw_data import RawData
from emtnas_hpc.errors import DataError, first_few, shown, some

_KINDS = {
    "images": frozenset({"images", "image", "imgs", "img", "x", "data"}),
    "labels": frozenset({"labels", "label", "y", "targets", "target"}),
}

_SINGLE_ARRAY = b"\x93NUMPY"
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")

#: What numpy raises on files that are no archive, cut off, or damaged inside; a damaged head may
#: claim an array that is too large for memory.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, MemoryError),
)


def read_npz(path: Path, classes: tuple[str, ...] = (), multi_label: bool = False) -> RawData:
    """Reads and validates the file.

    Without `classes` their names are the numbers of the training labels. `multi_label` expects
    labels (n, k) of zeros and ones.

    Raises:
        DataError: the first thing that is wrong, by file and key.
    """
    arrays, notes = _load(path)
    sets = {split: _labelled(path, arrays, split, multi_label) for split in SPLITS}
    train = sets["train"]
    if train is None:
        raise DataError(
            f"{path} has no train_images and train_labels, which it must have"
            f"{'; '.join(('', *notes))}"
        )
    names = classes or _classes_of(path, train.labels)
    for split, images in sets.items():
        if images is not None:
            _check_labels(f"{path}: {split}_labels", images.labels, len(names))
            found, expected = images.images.shape[1:], train.images.shape[1:]
            if found != expected:
                raise DataError(
                    f"{path}: {split}_images are {found}, expected {expected} as train_images"
                )
    return RawData(train, sets["val"], sets["test"], names, notes=notes)


def npz_fingerprint(path: Path) -> str | None:
    """Size and modification time of the file, None when it is gone."""
    with user_file_errors(path):
        try:
            state = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return f"{state.st_size} bytes, {state.st_mtime_ns} ns"


def _load(path: Path) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """The arrays by the names that they should have, and notes on their own names."""
    with user_file_errors(path):
        is_file = path.is_file()
    if not is_file:
        raise DataError(f"{path} is missing, expected an .npz file with train_images, train_labels")
    key = "the list of its arrays"
    arrays: dict[str, NDArray[Any]] = {}
    notes: tuple[str, ...] = ()
    try:
        # numpy leaves a path's file open when the archive turns out to be none.
        with user_file_errors(path):
            opened = path.open("rb")
        with opened as file:
            _refuse_what_is_no_archive(path, file)
            archive = np.load(file, allow_pickle=False)
            with archive:
                called, notes = _called(path, archive.files)
                for name, key in called.items():
                    arrays[name] = archive[key]
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if "allow_pickle" in str(error):
            reason = "it holds Python objects, expected numbers"
        raise DataError(
            f"{path} is damaged or no .npz file: {key} cannot be read ({reason})"
        ) from None
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path}: {key} is no array, expected one as numpy.savez writes it")
    return arrays, notes


def _called(path: Path, keys: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The key in the file for each name, and notes on keys that are read otherwise or left out."""
    called: dict[str, str] = {}
    for kind, words in _KINDS.items():
        # The word that does not name the kind names the split.
        of_kind = {
            key: next((word for word in both if word not in words), "")
            for key in keys
            if len(both := re.split(r"[^a-z]+", key.lower())) == 2 and words & {*both}
        }
        found = parts_called(of_kind, str(path), of_kind.__getitem__)
        called |= {f"{split}_{kind}": found[split] for split in SPLITS if split in found}
    renamed = [f"{shown(key)} is read as {name}" for name, key in called.items() if key != name]
    left_out = sorted(set(keys) - set(called.values()))
    n = counted(len(left_out), "array")
    return called, (*renamed, *([f"{n} left out: {some(left_out)}"] if left_out else []))


def _refuse_what_is_no_archive(path: Path, file: BinaryIO) -> None:
    # Before numpy sees it: it takes anything else for a pickle, and recommends to trust it.
    start = file.read(len(_SINGLE_ARRAY))
    if start == _SINGLE_ARRAY:
        raise DataError(f"{path} holds a single array, expected named ones, as .npz")
    if not start.startswith(_ARCHIVE) or not zipfile.is_zipfile(file):
        raise DataError(
            f"{path} is damaged or no .npz file: it is no whole zip archive; write it with "
            "numpy.savez, or copy it again"
        )
    file.seek(0)


def _labelled(
    path: Path, arrays: Mapping[str, NDArray[Any]], split: Split, multi_label: bool
) -> Images | None:
    images, labels = arrays.get(f"{split}_images"), arrays.get(f"{split}_labels")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        found, lacking = ("labels", "images") if images is None else ("images", "labels")
        raise DataError(f"{path} has {split}_{found} but no {split}_{lacking}; both are needed")
    pixels = _read_pixels(f"{path}: {split}_images", images)
    numbers = _read_labels(f"{path}: {split}_labels", labels, multi_label)
    if len(pixels) != len(numbers):
        raise DataError(
            f"{path}: {split}_images has {len(pixels)} entries and {split}_labels {len(numbers)}, "
            "expected as many of one as of the other"
        )
    return Images(pixels, numbers, tuple(f"{split}_images[{i}]" for i in range(len(pixels))))


def _read_pixels(where: str, images: NDArray[Any]) -> NDArray[np.uint8]:
    if images.dtype != np.uint8:
        raise DataError(f"{where} is {images.dtype}, expected uint8, 0 to 255; {_advice(images)}")
    if not len(images):
        raise DataError(f"{where} has no images; leave out the arrays of a split that has none")
    shaped = images[..., np.newaxis] if images.ndim == 3 else images
    if shaped.ndim != 4 or shaped.shape[3] not in (1, 3) or 0 in shaped.shape:
        raise DataError(
            f"{where} has shape {images.shape}, expected (n, h, w) or (n, h, w, c) "
            "with 1 or 3 channels"
        )
    if shaped.shape[1] != shaped.shape[2]:
        raise DataError(f"{where} are {shaped.shape[1]}x{shaped.shape[2]}, expected square images")
    return shaped


def _advice(images: NDArray[Any]) -> str:
    """How to make images of another type uint8 without destroying them."""
    if images.dtype == np.bool_:
        return "write 255 * x.astype('uint8')"
    if not np.issubdtype(images.dtype, np.number) or not images.size or images.dtype.kind == "c":
        return "write numbers"
    lowest, highest = images.min(), images.max()
    if images.dtype.kind == "f" and not (np.isfinite(lowest) and np.isfinite(highest)):
        return "give its pixels that are not finite a value first"
    if images.dtype.kind == "f" and lowest >= 0 and highest <= 1:
        return "write (255 * x).round().astype('uint8')"
    if lowest >= 0 and highest <= 255:
        return "write x.round().astype('uint8')"
    return (
        f"its values reach from {lowest:g} to {highest:g}: bring one range, the same for all "
        "arrays, to 0 to 255, then write x.round().astype('uint8')"
    )


def _read_labels(where: str, labels: NDArray[Any], multi_label: bool) -> NDArray[Any]:
    if multi_label:
        if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
            raise DataError(f"{where} has shape {labels.shape}, expected (n, k) of zeros and ones")
        return labels.astype(np.float32)
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where} is {labels.dtype}, expected integers")
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and labels.shape[1] != 1):
        raise DataError(f"{where} has shape {labels.shape}, expected (n,) or (n, 1)")
    return labels.reshape(-1).astype(np.int64)


def _classes_of(path: Path, labels: NDArray[Any]) -> tuple[str, ...]:
    # A number without images would be a class that is never learnt.
    present = np.unique(labels)
    if len(present) == 1:
        raise DataError(
            f"{path}: train_labels has a single class, {present[0]}, expected at least two, "
            "numbered from 0"
        )
    if not np.array_equal(present, np.arange(len(present))):
        found = first_few([*map(str, present)], 8)
        raise DataError(
            f"{path}: train_labels has the classes {found}, expected {len(present)} classes "
            f"numbered 0 to {len(present) - 1}"
        )
    return tuple(map(str, present))


def _check_labels(where: str, labels: NDArray[Any], n_classes: int) -> None:
    if labels.ndim == 2:
        if labels.shape[1] != n_classes:
            raise DataError(f"{where} has {labels.shape[1]} columns, expected {n_classes}")
    elif labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(
            f"{where} reaches from {labels.min()} to {labels.max()}, expected 0..{n_classes - 1}"
        )
