"""Making a data set ready: read its source once, write arrays, verify them later."""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.checkpoint.atomic import sync_directory, write_synced
from emtnas_hpc.data.copies import (
    Copy,
    copy_folders,
    current_copy,
    describe_change,
    doubts,
    name_beside,
    read_copies,
    read_copy,
)
from emtnas_hpc.data.dataset import (
    Prepared,
    Streamed,
    check_streamed_settings,
    open_prepared,
    open_streamed,
)
from emtnas_hpc.data.folders import LISTED, Listing, list_folder
from emtnas_hpc.data.images import Images, Say, Split, Workplace, complete_splits
from emtnas_hpc.data.manifest import (
    MANIFEST,
    NAMES,
    FileRecord,
    ListingManifest,
    Manifest,
    array_files,
    exclusive,
    list_names,
    read_verified,
    record,
    storage_errors,
    write_manifest,
)
from emtnas_hpc.data.picture import Picture
from emtnas_hpc.data.sources import Source, fingerprint, parse_source, read_source
from emtnas_hpc.errors import DataError, EmtnasError, shown
from emtnas_hpc.settings.experiment import TaskSettings

#: Pictures of each part that are decoded to see whether they are any.
_N_CHECKED = 8
_CHECKED_SIZE = 32


def write_arrays(
    folder: Path,
    source: Source,
    made_from: str,
    splits: Mapping[Split, Images],
    classes: tuple[str, ...],
    conversion: str,
) -> None:
    """Writes images and labels of every split, and the names that images have in their source."""
    arrays = {
        name: array
        for split, images in splits.items()
        for name, array in zip(array_files(split), (images.images, images.labels), strict=True)
    }
    train = splits["train"]
    manifest = Manifest(
        source=source.text,
        fingerprint=made_from,
        classes=classes,
        n_images={split: len(images) for split, images in splits.items()},
        files=_write(folder, arrays) | (_write_names(folder, splits) if made_from else {}),
        image_channels=train.images.shape[3],
        image_size=train.images.shape[1],
        multi_label=train.multi_label,
        conversion=conversion,
    )
    write_manifest(folder, manifest)
    sync_directory(folder)


def write_lists(folder: Path, source: Source, listing: Listing) -> None:
    """Writes names, sizes and labels of every part."""
    manifest = ListingManifest(
        source=source.text,
        fingerprint="",
        classes=listing.classes,
        n_images={split: len(files) for split, files in listing.files.items()},
        files=_write(folder, _arrays_of(listing)),
    )
    write_manifest(folder, manifest)
    sync_directory(folder)


def records_of(listing: Listing) -> dict[str, FileRecord]:
    """What the manifest of a listing says of its files."""
    return {name: record(_npy(array)) for name, array in _arrays_of(listing).items()}


def check_some(folder: Path, listing: Listing) -> None:
    """Decodes a few pictures of every part: reading all would take hours.

    Raises:
        DataError: one of them cannot be decoded.
    """
    # Its library is needed by nobody who only opens data.
    from emtnas_hpc.data.pictures import decode

    for split, files in listing.files.items():
        for i in np.unique(np.linspace(0, len(files) - 1, _N_CHECKED).astype(np.int64)):
            path = folder / LISTED[split] / listing.classes[files.labels[i]] / files.name(i)
            decode(Picture(str(path), int(files.sizes[i]), None), _CHECKED_SIZE)


def _arrays_of(listing: Listing) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for split, files in listing.files.items():
        names = list_names(split)
        arrays |= zip(names, (files.names, files.sizes, files.labels), strict=True)
    return arrays


def _write(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FileRecord]:
    files: dict[str, FileRecord] = {}
    for name, array in arrays.items():
        content = _npy(array)
        files[name] = record(content)
        write_synced(folder / name, content)
    return files


def _write_names(folder: Path, splits: Mapping[Split, Images]) -> dict[str, FileRecord]:
    names = {split: images.names for split, images in splits.items()}
    if not all(names.values()):
        return {}
    content = json.dumps(names).encode()
    write_synced(folder / NAMES, content)
    return {NAMES: record(content)}


def _npy(array: NDArray[Any]) -> memoryview:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getbuffer()


# Making a data set ready: read its source once, write the canonical arrays, verify them later.
#
# `<data>/<key of the source>/{train,val,test}_{images,labels}.npy` and `manifest.json`; of a source
# that is streamed, lists of its files instead. The directory is built under another name and
# renamed when it is whole. Where the source has other images than before, a directory beside that
# one is made: `copies.py`. Of what is there, only damaged files are replaced, by what they were.


#: Not told from one that is set to it: settings that are stored are all set.
_UNSET_SIZE = TaskSettings.model_fields["image_size"].default


@dataclass(frozen=True)
class _Fault:
    """Why a directory has to be made (anew).

    Attributes:
        reason: in words.
        old: the newest copy of what the source was before; None if there is none.
        listing: of the source's folder, if that was looked through to find it out.
    """

    reason: str
    old: Copy | None = None
    listing: Listing | None = None


def prepare(
    name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str
) -> Prepared | Streamed:
    """Makes a task's data ready, or verifies every file of what is there.

    A data set that is damaged is made anew; one whose source the user has changed stays, and gets
    another one beside it.

    Args:
        name: of the task.
        task: its settings.
        data_dir: where prepared data sets and downloads are; made if need be.
        say: told in single lines what is done.
        mend: the command that does this, for messages.

    Raises:
        DataError: the source is missing, damaged or cannot be downloaded.
        StorageError: no room.
    """
    copy = _prepare_copy(name, task, data_dir, say)
    prepared = open_folder_of(name, task, data_dir, copy.folder, mend=mend)
    source = parse_source(task)
    if not source.takes_image_size and task.image_size not in (_UNSET_SIZE, prepared.image_size):
        say(
            f"{name}: task.{name}.image_size is {task.image_size} and has no effect on "
            f"{source.text}, whose images are as they are; task.{name}.pool makes them smaller"
        )
    say(f"{name}: {prepared.summary}")
    return prepared


def _prepare_copy(name: str, task: TaskSettings, data_dir: Path, say: Say) -> Copy:
    source = parse_source(task, f"task.{name}.source")
    if source.is_streamed:
        check_streamed_settings(name, task)
    found = _examine(data_dir, source)
    if isinstance(found, _Fault):
        with _alone(data_dir, source, say):
            found = _examine(data_dir, source)
            if isinstance(found, _Fault):
                say(f"{name}: preparing {source.text}: {found.reason}")
                with _built(source, data_dir, _named(name, say), found.listing) as built:
                    copy = _publish(built, data_dir, source)
                _say_what_changed(name, found, copy, source, say)
                return copy
    elif _leftovers(data_dir, source):
        with suppress(EmtnasError), _alone(data_dir, source, say):
            pass
    if found.age < max(copy.age for copy in read_copies(data_dir, source)):
        # It is the newest again: its source is as it was.
        with suppress(OSError):
            os.utime(found.folder / MANIFEST)
    return found


def open_folder_of(
    name: str, task: TaskSettings, data_dir: Path, folder: Path | None, *, mend: str, note: str = ""
) -> Prepared | Streamed:
    """Opens a copy of a task's source, of either kind; without a folder, the first one.

    Raises:
        DataError: a file is missing, cut off or of another schema, or the settings do not fit.
    """
    if parse_source(task, f"task.{name}.source").is_streamed:
        return open_streamed(name, task, data_dir, mend=mend, folder=folder, note=note)
    return open_prepared(name, task, data_dir, mend=mend, folder=folder, note=note)


def compare_with_source(name: str, copy: Copy, source: Source, data_dir: Path, say: Say) -> str:
    """Says what the user has changed in a source since a copy was made; empty if nothing.

    The source is read anew for it, and nothing of it kept. One that was only touched is remembered
    as that of the copy, so that it need not be read again.

    Raises:
        DataError: the source cannot be read.
        StorageError: no room.
    """
    with _alone(data_dir, source, say):
        now = current_copy(read_copies(data_dir, source), source)
        if now is None:
            say(f"{name}: {source.argument} has changed, looking for what is different")
            # What is left out of it and odd about it was said when it was prepared.
            with _built(source, data_dir, _silent, None) as built:
                new = read_copy(built, source)
                if _same_folder(data_dir, source, new) is None:
                    return describe_change(copy, new)
                now = _publish(built, data_dir, source)
    return "" if now.folder == copy.folder else describe_change(copy, now)


def _named(name: str, say: Say) -> Say:
    """Says lines as those of a task."""
    return lambda line: say(f"{name}: {line}")


def _silent(_line: str) -> None:
    """Says nothing."""


@contextmanager
def _alone(data_dir: Path, source: Source, say: Say) -> Iterator[None]:
    """While no other process prepares this source; what such processes left behind is removed."""
    with storage_errors(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
    with exclusive(data_dir / f".{source.key}.lock", say) as alone:
        if alone:
            for leftover in _leftovers(data_dir, source):
                _remove(leftover)
        yield


def _examine(data_dir: Path, source: Source) -> Copy | _Fault:
    """The copy of a source as it is now, every file of which is good, or why there is none."""
    folders, copies = copy_folders(data_dir, source), read_copies(data_dir, source)
    if not folders:
        return _Fault(f"{data_dir / source.key} is not there yet")
    newest = max(copies, key=lambda copy: copy.age, default=None)
    listing = None
    if source.is_streamed:
        listing = list_folder(source.folder(data_dir))
        records = records_of(listing)
        copies = [c for c in copies if _lists(c, listing, records)]
    current = current_copy(copies, source)
    # What is wrong with the source itself has been raised; what is wrong with a copy is a fault.
    try:
        if newest is None:
            read_copy(folders[0], source)
        if current is None:
            return _Fault(f"{source.argument} has changed", newest, listing)
        for file in current.manifest.files:
            read_verified(current.folder, current.manifest, file)
    except DataError as error:
        return _Fault(str(error), None, listing)
    return current


def _lists(copy: Copy, listing: Listing, records: dict[str, FileRecord]) -> bool:
    return (copy.manifest.classes, copy.manifest.files) == (listing.classes, records)


def _say_what_changed(name: str, fault: _Fault, copy: Copy, source: Source, say: Say) -> None:
    old = fault.old
    if old is None:
        return
    if copy.folder == old.folder:
        say(f"{name}: {source.argument} has the same images as before, {copy.folder} stays")
        return
    try:
        change = describe_change(old, copy)
    except EmtnasError as error:
        change = f"what is different cannot be told: {error}"
    say(
        f"{name}: {source.argument} has changed: {change}; new runs read {copy.folder}, those that "
        f"have begun with {old.folder} go on with that"
    )


@contextmanager
def _built(source: Source, data_dir: Path, say: Say, listing: Listing | None) -> Iterator[Path]:
    """A whole directory of a source as it is now, under a name that nobody reads."""
    workshop = data_dir / f".{source.key}.{uuid.uuid4().hex}.partial"
    scratch, built = workshop / "scratch", workshop / "built"
    with storage_errors(workshop):
        scratch.mkdir(parents=True)
        built.mkdir()
    try:
        if source.is_streamed:
            write = _listed(source, source.folder(data_dir), listing, say)
        else:
            write = _arrays(source, Workplace(data_dir, scratch, say))
        with storage_errors(workshop):
            write(built)
        yield built
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _arrays(source: Source, place: Workplace) -> Callable[[Path], None]:
    """Reads a source whole; returns what writes it."""
    # Before reading: a file that changes meanwhile must look changed the next time.
    made_from = fingerprint(source) or ""
    raw = read_source(source, place)
    splits = complete_splits(raw, shown(source.argument))
    for line in (*raw.notes, *doubts(splits, raw.classes)):
        place.say(line)
    return lambda built: write_arrays(built, source, made_from, splits, raw.classes, raw.conversion)


def _listed(
    source: Source, pictures: Path, listing: Listing | None, say: Say
) -> Callable[[Path], None]:
    """Lists a folder of pictures unless that is done; returns what writes the lists."""
    listing = listing or list_folder(pictures)
    for line in listing.notes:
        say(line)
    check_some(pictures, listing)
    return lambda built: write_lists(built, source, listing)


def _publish(built: Path, data_dir: Path, source: Source) -> Copy:
    """Gives a whole directory its name, or mends with it the one that holds the same images."""
    new = read_copy(built, source)
    with storage_errors(data_dir):
        folder = _same_folder(data_dir, source, new)
        if folder is not None:
            _mend(folder, new)
        else:
            folder = data_dir / source.key
            if os.path.lexists(folder):
                folder = data_dir / name_beside(source, new.manifest)
            built.rename(folder)
            sync_directory(data_dir)
    return Copy(folder, new.manifest)


def _same_folder(data_dir: Path, source: Source, new: Copy) -> Path | None:
    """The directory of a copy of the same images, be it damaged or not."""
    folders = copy_folders(data_dir, source)
    return next((folder for folder in folders if _is_same(folder, source, new)), None)


def _is_same(folder: Path, source: Source, new: Copy) -> bool:
    try:
        manifest = read_copy(folder, source).manifest
    except DataError:
        # What it held, its name says, or what is left of it.
        if folder.name == name_beside(source, new.manifest):
            return True
        records = new.manifest.files
        left = [name for name in new.manifest.arrays if (folder / name).exists()]
        return folder.is_dir() and all(_is_good(folder / n, records[n]) for n in left)
    return manifest.content_digest == new.manifest.content_digest


def _mend(folder: Path, new: Copy) -> None:
    """Replaces what is damaged in a directory by the same from another one, the manifest last."""
    for name, expected in new.manifest.files.items():
        if not _is_good(folder / name, expected):
            _replace(folder / name, (new.folder / name).read_bytes())
    _replace(folder / MANIFEST, (new.folder / MANIFEST).read_bytes())


def _is_good(path: Path, expected: FileRecord) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == expected.sha256
    except OSError:
        return False


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    write_synced(temporary, content)
    temporary.replace(path)
    sync_directory(path.parent)


def _leftovers(data_dir: Path, source: Source) -> list[Path]:
    """What processes left behind that were killed while they prepared this source."""
    beside = [file for f in copy_folders(data_dir, source) for file in f.glob(".*.partial")]
    return [*data_dir.glob(f".{source.key}.*.partial"), *beside]


def _remove(leftover: Path) -> None:
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        leftover.unlink(missing_ok=True)
