"""Making a data set ready: read its source once, write arrays or lists, verify them later.

A copy is built under a hidden name and renamed when it is complete. Damaged files of a copy are
replaced by what they were; other images get a directory of their own beside it (`copies.py`).
"""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    fingerprint,
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
from emtnas_hpc.data.npz_file import read_npz
from emtnas_hpc.data.raw_data import RawData, complete_splits, doubts
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError, EmtnasError, shown
from emtnas_hpc.settings.experiment import TaskSettings

log = logging.getLogger(__name__)

#: What is read of a source: a manifest without files, the files, lines for the user.
_Contents: TypeAlias = tuple[DataManifest, Mapping[str, NDArray[Any] | bytes], Sequence[str]]

#: Pictures of each part that are decoded as a check: decoding all would take hours.
_N_CHECKED = 8
_CHECKED_SIZE = 32

#: A user who sets this very size is not told that it has no effect: stored settings are all set.
_UNSET_SIZE = TaskSettings.model_fields["image_size"].default


def prepare(name: str, task: TaskSettings, data_dir: Path) -> TaskData:
    """Makes a task's data ready, or verifies every file of what is there.

    A damaged copy is made anew. Where the user has changed the source, the copy stays and gets
    another one beside it. The data directory holds downloads too, and is made if need be.

    Raises:
        DataError: the source is missing, damaged or cannot be downloaded.
        StorageError: no room.
    """
    return Preparation(name, task, data_dir).prepare()


class Preparation:
    """The source of a task, which is looked through once, and its copies."""

    def __init__(self, name: str, task: TaskSettings, data_dir: Path) -> None:
        self.name = name
        self.task = task
        self.data_dir = data_dir
        self.source = parse_source(task, f"task.{name}.source")

    @cached_property
    def fingerprint(self) -> str | None:
        """Of the source, as it was when it was first looked at."""
        return fingerprint(self.source, self._pictures)

    @cached_property
    def _pictures(self) -> ImageFolder | None:
        return look_through(self.source.path) if self.source.kind == "images" else None

    @cached_property
    def _listing(self) -> Listing:
        return list_folder(self.source.folder(self.data_dir))

    def copies(self) -> list[Copy]:
        """All whose manifest can be read."""
        return read_copies(self.data_dir, self.source)

    def open(self, copy: Copy | None) -> TaskData:
        """Opens a copy; errors of `open_copy`."""
        return open_copy(self.name, self.task, self.data_dir, copy)

    def prepare(self) -> TaskData:
        """Makes or verifies the copy of the source as it is now, and opens it."""
        data = self.open(self._prepared())
        if not self.source.takes_image_size and self.task.image_size not in (
            _UNSET_SIZE,
            data.image_size,
        ):
            self._say(
                f"task.{self.name}.image_size is {self.task.image_size} and has no effect on "
                f"{self.source.text}, whose images are as they are; task.{self.name}.pool makes "
                "them smaller"
            )
        self._say(data.summary)
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
                self._say(f"{self.source.argument} has changed, looking for what is different")
                # The notes on its pictures were logged when it was prepared.
                with self._built(quietly=True) as new:
                    if self._folder_of(new) is None:
                        return describe_change(copy, new)
                    now = self._publish(new)
        return "" if now.folder == copy.folder else describe_change(copy, now)

    def _say(self, line: str) -> None:
        log.info(f"{self.name}: {line}")

    def _prepared(self) -> Copy:
        if self.source.is_streamed:
            check_streamed_settings(self.name, self.task)
        found, fault = self._examine()
        if fault:
            with self._alone():
                # Another process may have made it while this one waited.
                found, fault = self._examine()
                if fault:
                    return self._make(fault, found)
        elif self._leftovers():
            # Taking the lock removes them; if that fails, the copy is as good.
            with suppress(EmtnasError), self._alone():
                pass
        assert found is not None
        if found.age < max(copy.age for copy in self.copies()):
            # It is the newest again: its source is as it was.
            with suppress(OSError):
                os.utime(found.folder / MANIFEST)
        return found

    def _examine(self) -> tuple[Copy | None, str]:
        """The copy of the source as it is now, its files all good, and an empty text.

        Otherwise the text says why a copy has to be made; if that is a change of the source, the
        newest copy comes with it.
        """
        folders, copies = copy_folders(self.data_dir, self.source), self.copies()
        if not folders:
            return None, f"{self.data_dir / self.source.key} is not there yet"
        newest = max(copies, key=lambda copy: copy.age, default=None)
        if self.source.is_streamed:
            now = self._listing.classes, records_of(self._listing)
            copies = [c for c in copies if (c.manifest.classes, c.manifest.files) == now]
        current = current_copy(copies, self.fingerprint)
        # Errors of the source have been raised by now; those below are faults of a copy.
        try:
            if newest is None:
                read_copy(folders[0], manifest_kind(self.source))
            if current is None:
                return newest, f"{self.source.argument} has changed"
            for file in current.manifest.files:
                current.read(file)
        except DataError as error:
            return None, str(error)
        return current, ""

    def _make(self, reason: str, old: Copy | None) -> Copy:
        self._say(f"preparing {self.source.text}: {reason}")
        with self._built() as built:
            copy = self._publish(built)
        if old is None:
            return copy
        if copy.folder == old.folder:
            self._say(f"{self.source.argument} has the same images as before, {copy.folder} stays")
            return copy
        try:
            change = describe_change(old, copy)
        except EmtnasError as error:
            change = f"what is different cannot be told: {error}"
        self._say(
            f"{self.source.argument} has changed: {change}; new runs read {copy.folder}, those "
            f"that have begun with {old.folder} go on with that"
        )
        return copy

    @contextmanager
    def _built(self, *, quietly: bool = False) -> Iterator[Copy]:
        """Builds a copy of the source as it is now, under a hidden name."""
        workshop = self.data_dir / f".{self.source.key}.{uuid.uuid4().hex}.partial"
        scratch, built = workshop / "scratch", workshop / "built"
        with write_errors(workshop):
            scratch.mkdir(parents=True)
            built.mkdir()
        try:
            manifest, files, notes = (
                self._listed() if self.source.is_streamed else self._read(scratch)
            )
            if not quietly:
                for note in notes:
                    self._say(note)
            with write_errors(workshop):
                copy = write_copy(built, manifest, files)
            yield copy
        finally:
            shutil.rmtree(workshop, ignore_errors=True)

    def _read(self, scratch: Path) -> _Contents:
        # Before the source is read: what changes meanwhile makes another copy next time.
        made_from = self.fingerprint or ""
        raw = self._read_raw(scratch)
        splits = complete_splits(raw, shown(self.source.argument), self.source.validation_split)
        files: dict[str, NDArray[Any] | bytes] = {}
        for split, images in splits.items():
            names = ArraysManifest.arrays(split)
            files |= zip(names, (images.images, images.labels), strict=True)
        names_of = {split: images.names for split, images in splits.items()}
        # Only of a source that can change are images ever compared by their names.
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

    def _read_raw(self, scratch: Path) -> RawData:
        """Reads the source, downloading it first where it has to be."""
        # Not needed to open what is prepared.
        from emtnas_hpc.data.official import read_medmnist, read_package, read_torchvision

        source = self.source
        match source.kind:
            case "torchvision":
                return read_torchvision(source.argument, self.data_dir, scratch)
            case "medmnist":
                return read_medmnist(source.argument, self.data_dir, scratch)
            case "package":
                return read_package(source.argument)
            case "npz":
                return read_npz(source.path)
            case _:
                assert self._pictures is not None, "streamed pictures are listed, not read"
                return self._pictures.read(source.image_size)

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
        """Gives a new copy its name, or repairs with it the copy that holds the same images."""
        with write_errors(self.data_dir):
            folder = self._folder_of(new)
            if folder is not None:
                _repair(folder, new)
            else:
                folder = self.data_dir / self.source.key
                if os.path.lexists(folder):
                    folder = self.data_dir / name_beside(self.source, new)
                new.folder.rename(folder)
                sync_directory(self.data_dir)
        return Copy(folder, new.manifest)

    def _folder_of(self, new: Copy) -> Path | None:
        """The directory of a copy of the same images, damaged or not."""
        folders = copy_folders(self.data_dir, self.source)
        return next((folder for folder in folders if self._is_same(folder, new)), None)

    def _is_same(self, folder: Path, new: Copy) -> bool:
        try:
            manifest = read_copy(folder, manifest_kind(self.source)).manifest
        except DataError:
            # Without its manifest, its name or the files that are left say what it held.
            if folder.name == name_beside(self.source, new):
                return True
            names = new.manifest.arrays(*new.manifest.splits)
            left = [name for name in names if (folder / name).exists()]
            return folder.is_dir() and all(_is_good(folder, new, name) for name in left)
        return manifest.content_digest == new.manifest.content_digest

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes from preparing this source; removes what killed ones have left."""
        lock = self.data_dir / f".{self.source.key}.lock"

        def waiting() -> None:
            log.info(f"waiting for another process that is preparing the same data ({lock})")
            # The source may change meanwhile.
            for seen in ("fingerprint", "_pictures", "_listing"):
                self.__dict__.pop(seen, None)

        with write_errors(self.data_dir):
            self.data_dir.mkdir(parents=True, exist_ok=True)
        with write_errors(lock):
            file = lock.open("a")
        with file:
            # On a shared file system without locks, work goes on unprotected.
            if hold(file.fileno(), waiting):
                for leftover in self._leftovers():
                    if leftover.is_dir():
                        shutil.rmtree(leftover, ignore_errors=True)
                    else:
                        leftover.unlink(missing_ok=True)
            yield

    def _leftovers(self) -> list[Path]:
        folders = copy_folders(self.data_dir, self.source)
        beside = [file for folder in folders for file in folder.glob(".*.partial")]
        return [*self.data_dir.glob(f".{self.source.key}.*.partial"), *beside]


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
    # Imports Pillow, which opening a prepared data set does not need.
    from emtnas_hpc.data.pictures import decode

    for split, files in listing.files.items():
        for i in np.unique(np.linspace(0, len(files) - 1, _N_CHECKED).astype(np.int64)):
            path = folder / LISTED[split] / files.path(i, listing.classes)
            decode(PictureFile(str(path), int(files.sizes[i]), None), _CHECKED_SIZE)


def _repair(folder: Path, new: Copy) -> None:
    """Replaces damaged files of a directory by those of a new copy, the manifest last."""
    damaged = [name for name in new.manifest.files if not _is_good(folder, new, name)]
    for name in (*damaged, MANIFEST):
        temporary = folder / f".{name}.{uuid.uuid4().hex}.partial"
        write_synced(temporary, (new.folder / name).read_bytes())
        temporary.replace(folder / name)
        sync_directory(folder)


def _is_good(folder: Path, new: Copy, name: str) -> bool:
    """Whether a directory's file is the same as that of a new copy."""
    try:
        Copy(folder, new.manifest).read(name)
    except DataError:
        return False
    return True
