"""The pictures of `DIR/train/<class>/` and `DIR/val/<class>/` as lists; none is opened.

The images of `val` are the test set, as is usual for ImageNet, whose own test set has no labels.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Split
from emtnas_hpc.errors import DataError
from emtnas_hpc.store.refusals import shown

#: The parts of a task, and the folder that each lies in.
LISTED: dict[Split, str] = {"train": "train", "test": "val"}

_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
_LAYOUT = "expected train/CLASS/*.JPEG and val/CLASS/*.JPEG, the same classes in both"


@dataclass(frozen=True)
class FileList:
    """The pictures of one part, by class and name.

    Attributes:
        names: of the files, bytes, (n,).
        sizes: in bytes, int64, (n,).
        labels: numbers of their classes, int64, (n,).
    """

    names: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, i: int | np.int64) -> str:
        """That of one file."""
        return os.fsdecode(bytes(self.names[i]))


@dataclass(frozen=True)
class Listing:
    """All pictures of a folder.

    Attributes:
        classes: their names, in the order of their numbers.
        files: of each part.
    """

    classes: tuple[str, ...]
    files: Mapping[Split, FileList]


def list_folder(folder: Path) -> Listing:
    """Lists all pictures of a data set.

    Raises:
        DataError: the folder is laid out differently, or cannot be read.
    """
    classes = class_names(folder)
    files = {split: list_files(folder / part, classes) for split, part in LISTED.items()}
    return Listing(classes, files)


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the classes, in the order of their numbers.

    Raises:
        DataError: the folder is laid out differently, or cannot be read.
    """
    train, val = (_folders(folder, name) for name in LISTED.values())
    if len(train) < 2:
        raise DataError(f"{folder / 'train'} has {len(train)} class folders, expected at least 2")
    if not val:
        raise DataError(f"{folder / 'val'} has no class folders; {_LAYOUT}")
    if odd := sorted(set(train) ^ set(val)):
        there, lacking = ("train", "val") if odd[0] in train else ("val", "train")
        raise DataError(f"{folder / lacking} has no class {odd[0]!r}, as {there} has; {_LAYOUT}")
    return train


def list_files(folder: Path, classes: tuple[str, ...]) -> FileList:
    """Lists the pictures of the class folders within `folder`, each sorted by name.

    Raises:
        DataError: a class has none, or a folder cannot be read.
    """
    found = [sorted(_pictures(folder / name)) for name in classes]
    for name, pictures in zip(classes, found, strict=True):
        if not pictures:
            raise DataError(f"{folder / name} has no pictures; {_LAYOUT}")
    together = [picture for pictures in found for picture in pictures]
    return FileList(
        np.array([name for name, _size in together], np.bytes_),
        np.array([size for _name, size in together], np.int64),
        np.repeat(np.arange(len(classes)), [len(pictures) for pictures in found]),
    )


def check_folders(folder: Path) -> None:
    """Looks whether the folders of training and test pictures are there.

    Raises:
        DataError: one is not, or cannot be looked at.
    """
    for name in LISTED.values():
        with _read_errors(folder / name):
            is_there = (folder / name).is_dir()
        if not is_there:
            raise DataError(f"{folder / name} is missing; {_LAYOUT}")


def _folders(folder: Path, name: str) -> tuple[str, ...]:
    check_folders(folder)
    with _read_errors(folder / name):
        paths = [path for path in (folder / name).iterdir() if path.name[0] != "."]
        folders = [path for path in paths if path.is_dir()]
    for path in folders:
        _refuse_name_that_is_no_text(path)
    return tuple(sorted(path.name for path in folders))


def _refuse_name_that_is_no_text(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{shown(path)} has a name that is not UTF-8, expected one that is, as it names a "
            "class; rename it"
        ) from None


def _pictures(folder: Path) -> Iterator[tuple[bytes, int]]:
    with _read_errors(folder), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name[0] != "." and Path(entry.name).suffix.lower() in _SUFFIXES:
                yield os.fsencode(entry.name), _size(entry)


def _size(entry: os.DirEntry[str]) -> int:
    with _read_errors(Path(entry.path)):
        return entry.stat().st_size


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read ({error.strerror})") from None
