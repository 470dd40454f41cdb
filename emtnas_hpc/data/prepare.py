"""Making a data set ready: read its source once, write arrays or lists, verify them later.

`<data>/<key of the source>/{train,val,test}_{images,labels}.npy` and `manifest.json`; of a source
that is streamed, lists of its files instead. The directory is built under another name and renamed
when it is whole. Where the source has other images than before, a directory beside that one is made
(`copies.py`). Of what is there, only damaged files are replaced, by what they were.
"""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.checkpoint.atomic import hold, sync_directory, write_synced
from emtnas_hpc.data.copies import (
    copy_folders,
    current_copy,
    describe_change,
    manifest_kind,
    name_beside,
    read_copies,
)
from emtnas_hpc.data.dataset import TaskData, check_streamed_settings, open_copy
from emtnas_hpc.data.folders import LISTED, Listing, list_folder
from emtnas_hpc.data.image_folder import ImageFolder, look_through
from emtnas_hpc.data.images import PictureFile
from emtnas_hpc.data.manifest import (
    MANIFEST,
    NAMES,
    ArraysManifest,
    Copy,
    DataManifest,
    ListingManifest,
    SavedFile,
    npy,
    read_copy,
    write_copy,
    write_errors,
)
from emtnas_hpc.data.raw_data import complete_splits, doubts
from emtnas_hpc.data.sources import fingerprint, parse_source, read_source
from emtnas_hpc.errors import DataError, EmtnasError, shown
from emtnas_hpc.settings.experiment import TaskSettings

log = logging.getLogger(__name__)

#: What a source brings: a manifest that lacks the records of files, the files, lines for the user.
_Contents: TypeAlias = tuple[DataManifest, Mapping[str, NDArray[Any] | bytes], Sequence[str]]

#: Pictures of each part that are decoded to see whether they are any: all would take hours.
_N_CHECKED = 8
_CHECKED_SIZE = 32

#: Not told from one that is set to it: settings that are stored are all set.
_UNSET_SIZE = TaskSettings.model_fields["image_size"].default


def prepare(name: str, task: TaskSettings, data_dir: Path) -> TaskData:
    """Makes a task's data ready, or verifies every file of what is there.

    A data set that is damaged is made anew; one whose source the user has changed stays, and gets
    another one beside it. The data directory holds downloads too, and is made if need be.

    Raises:
        DataError: the source is missing, damaged or cannot be downloaded.
        StorageError: no room.
    """
    return Preparation(name, task, data_dir).prepare()


@dataclass(frozen=True)
class _Fault:
    """Why a directory has to be made (anew); if the source was changed, its newest copy."""

    reason: str
    old: Copy | None = None


class Preparation:
    """The source of a task, which is looked through once, and its copies."""

    def __init__(self, name: str, task: TaskSettings, data_dir: Path) -> None:
        self.name = name
        self.task = task
        self.data_dir = data_dir
        self.source = parse_source(task, f"task.{name}.source")

    @cached_property
    def fingerprint(self) -> str | None:
        """That of the source, before anything of it is read: what changes meanwhile is noticed."""
        return fingerprint(self.source, self._pictures)

    @cached_property
    def _pictures(self) -> ImageFolder | None:
        return look_through(self.source.path) if self.source.kind == "images" else None

    @cached_property
    def _listing(self) -> Listing:
        return list_folder(self.source.folder(self.data_dir))

    def copies(self) -> list[Copy]:
        """Those that are there and whose manifest can be read."""
        return read_copies(self.data_dir, self.source)

    def open(self, copy: Copy | None, *, note: str = "", once: str = "") -> TaskData:
        """Opens a copy; arguments and errors of `open_copy`."""
        return open_copy(self.name, self.task, self.data_dir, copy, note=note, once=once)

    def prepare(self) -> TaskData:
        """Makes or verifies the copy of the source as it is now, and opens it."""
        data = self.open(self._prepared())
        if not self.source.takes_image_size and self.task.image_size not in (
            _UNSET_SIZE,
            data.image_size,
        ):
            self.say(
                f"task.{self.name}.image_size is {self.task.image_size} and has no effect on "
                f"{self.source.text}, whose images are as they are; task.{self.name}.pool makes "
                "them smaller"
            )
        self.say(data.summary)
        return data

    def change_since(self, copy: Copy) -> str:
        """Says what the user has changed in the source since a copy was made; empty if nothing.

        The source is read anew for it, and nothing of it kept. One that was only touched is
        remembered as that of the copy, so that it need not be read again.

        Raises:
            DataError: the source cannot be read.
            StorageError: no room.
        """
        with self._alone():
            now = current_copy(self.copies(), self.fingerprint)
            if now is None:
                self.say(f"{self.source.argument} has changed, looking for what is different")
                # What is left out of it and odd about it was said when it was prepared.
                with self._built(quietly=True) as new:
                    if self._folder_of(new) is None:
                        return describe_change(copy, new)
                    now = self._publish(new)
        return "" if now.folder == copy.folder else describe_change(copy, now)

    def say(self, line: str) -> None:
        """Tells the user something of this task."""
        log.info(f"{self.name}: {line}")

    def _prepared(self) -> Copy:
        if self.source.is_streamed:
            check_streamed_settings(self.name, self.task)
        found = self._examine()
        if isinstance(found, _Fault):
            with self._alone():
                found = self._examine()
                if isinstance(found, _Fault):
                    return self._make(found)
        elif self._leftovers():
            with suppress(EmtnasError), self._alone():
                pass
        if found.age < max(copy.age for copy in self.copies()):
            # It is the newest again: its source is as it was.
            with suppress(OSError):
                os.utime(found.folder / MANIFEST)
        return found

    def _examine(self) -> Copy | _Fault:
        """The copy of the source as it is now, its files all good, or why there is none."""
        folders, copies = copy_folders(self.data_dir, self.source), self.copies()
        if not folders:
            return _Fault(f"{self.data_dir / self.source.key} is not there yet")
        newest = max(copies, key=lambda copy: copy.age, default=None)
        if self.source.is_streamed:
            now = self._listing.classes, records_of(self._listing)
            copies = [c for c in copies if (c.manifest.classes, c.manifest.files) == now]
        current = current_copy(copies, self.fingerprint)
        # What is wrong with the source has been raised; what is wrong with a copy is a fault.
        try:
            if newest is None:
                read_copy(folders[0], manifest_kind(self.source))
            if current is None:
                return _Fault(f"{self.source.argument} has changed", newest)
            for file in current.manifest.files:
                current.read(file)
        except DataError as error:
            return _Fault(str(error))
        return current

    def _make(self, fault: _Fault) -> Copy:
        self.say(f"preparing {self.source.text}: {fault.reason}")
        with self._built() as built:
            copy = self._publish(built)
        if (old := fault.old) is None:
            return copy
        if copy.folder == old.folder:
            self.say(f"{self.source.argument} has the same images as before, {copy.folder} stays")
            return copy
        try:
            change = describe_change(old, copy)
        except EmtnasError as error:
            change = f"what is different cannot be told: {error}"
        self.say(
            f"{self.source.argument} has changed: {change}; new runs read {copy.folder}, those "
            f"that have begun with {old.folder} go on with that"
        )
        return copy

    @contextmanager
    def _built(self, *, quietly: bool = False) -> Iterator[Copy]:
        """A whole copy of the source as it is now, under a hidden name."""
        workshop = self.data_dir / f".{self.source.key}.{uuid.uuid4().hex}.partial"
        scratch, built = workshop / "scratch", workshop / "built"
        with write_errors(workshop):
            scratch.mkdir(parents=True)
            built.mkdir()
        try:
            manifest, files, notes = (
                self._listed() if self.source.is_streamed else self._read(scratch)
            )
            for note in () if quietly else notes:
                self.say(note)
            with write_errors(workshop):
                copy = write_copy(built, manifest, files)
            yield copy
        finally:
            shutil.rmtree(workshop, ignore_errors=True)

    def _read(self, scratch: Path) -> _Contents:
        made_from = self.fingerprint or ""
        raw = read_source(self.source, self._pictures, self.data_dir, scratch)
        splits = complete_splits(raw, shown(self.source.argument), self.source.validation_split)
        files: dict[str, NDArray[Any] | bytes] = {}
        for split, images in splits.items():
            names = ArraysManifest.arrays(split)
            files |= zip(names, (images.images, images.labels), strict=True)
        names_of = {split: images.names for split, images in splits.items()}
        if made_from and all(names_of.values()):
            files[NAMES] = json.dumps(names_of).encode()
        train = splits["train"]
        manifest = ArraysManifest(
            source=self.source.text,
            fingerprint=made_from,
            classes=raw.classes,
            n_images={split: len(images) for split, images in splits.items()},
            files={},
            image_channels=train.images.shape[3],
            image_size=train.images.shape[1],
            multi_label=train.multi_label,
            conversion=raw.conversion,
        )
        return manifest, files, (*raw.notes, *doubts(splits, raw.classes))

    def _listed(self) -> _Contents:
        listing = self._listing
        _check_some(self.source.folder(self.data_dir), listing)
        manifest = ListingManifest(
            source=self.source.text,
            fingerprint="",
            classes=listing.classes,
            n_images={split: len(files) for split, files in listing.files.items()},
            files={},
        )
        return manifest, _arrays_of(listing), listing.notes

    def _publish(self, new: Copy) -> Copy:
        """Gives a whole copy its name, or mends with it the one that holds the same images."""
        with write_errors(self.data_dir):
            folder = self._folder_of(new)
            if folder is not None:
                _mend(folder, new)
            else:
                folder = self.data_dir / self.source.key
                if os.path.lexists(folder):
                    folder = self.data_dir / name_beside(self.source, new)
                new.folder.rename(folder)
                sync_directory(self.data_dir)
        return Copy(folder, new.manifest)

    def _folder_of(self, new: Copy) -> Path | None:
        """The directory of a copy of the same images, be it damaged or not."""
        folders = copy_folders(self.data_dir, self.source)
        return next((folder for folder in folders if self._is_same(folder, new)), None)

    def _is_same(self, folder: Path, new: Copy) -> bool:
        try:
            manifest = read_copy(folder, manifest_kind(self.source)).manifest
        except DataError:
            # What it held, its name says, or what is left of it.
            if folder.name == name_beside(self.source, new):
                return True
            names = new.manifest.arrays(*new.manifest.splits)
            left = [name for name in names if (folder / name).exists()]
            return folder.is_dir() and all(_is_good(folder, new, name) for name in left)
        return manifest.content_digest == new.manifest.content_digest

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process prepares this source; what such processes left is removed."""
        with write_errors(self.data_dir):
            self.data_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(self.data_dir / f".{self.source.key}.lock", self._forget) as alone:
            if alone:
                for leftover in self._leftovers():
                    if leftover.is_dir():
                        shutil.rmtree(leftover, ignore_errors=True)
                    else:
                        leftover.unlink(missing_ok=True)
            yield

    def _forget(self) -> None:
        """The source may change while another process is waited for."""
        for seen in ("fingerprint", "_pictures", "_listing"):
            self.__dict__.pop(seen, None)

    def _leftovers(self) -> list[Path]:
        """What processes left behind that were killed while they prepared this source."""
        folders = copy_folders(self.data_dir, self.source)
        beside = [file for folder in folders for file in folder.glob(".*.partial")]
        return [*self.data_dir.glob(f".{self.source.key}.*.partial"), *beside]


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[bool]:
    """Waits until no other process is inside.

    Yields:
        Whether there is a lock: some shared file systems have none, and work goes on without.
    """

    def waiting() -> None:
        log.info(f"waiting for another process that is preparing the same data ({path})")
        on_wait()

    with write_errors(path):
        file = path.open("a")
    with file:
        yield bool(hold(file.fileno(), waiting))


def records_of(listing: Listing) -> dict[str, SavedFile]:
    """What the manifest of a listing says of its files."""
    return {name: SavedFile.of(npy(array)) for name, array in _arrays_of(listing).items()}


def _arrays_of(listing: Listing) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for split, files in listing.files.items():
        names = ListingManifest.arrays(split)
        arrays |= zip(names, (files.names, files.sizes, files.labels), strict=True)
    return arrays


def _check_some(folder: Path, listing: Listing) -> None:
    # Its library is not needed to open what is prepared.
    from emtnas_hpc.data.pictures import decode

    for split, files in listing.files.items():
        for i in np.unique(np.linspace(0, len(files) - 1, _N_CHECKED).astype(np.int64)):
            path = folder / LISTED[split] / listing.classes[files.labels[i]] / files.name(i)
            decode(PictureFile(str(path), int(files.sizes[i]), None), _CHECKED_SIZE)


def _mend(folder: Path, new: Copy) -> None:
    """Replaces what is damaged in a directory by the same from another one, the manifest last."""
    damaged = [name for name in new.manifest.files if not _is_good(folder, new, name)]
    for name in (*damaged, MANIFEST):
        temporary = folder / f".{name}.{uuid.uuid4().hex}.partial"
        write_synced(temporary, (new.folder / name).read_bytes())
        temporary.replace(folder / name)
        sync_directory(folder)


def _is_good(folder: Path, new: Copy, name: str) -> bool:
    """Whether a file in a directory is that of a copy."""
    try:
        Copy(folder, new.manifest).read(name)
    except DataError:
        return False
    return True
