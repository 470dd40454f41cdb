"""A folder of pictures: `DIR/train/<class>/<picture>`, if there are any also `val/` and `test/`."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emtnas_hpc.checkpoint.os_errors import user_file_errors
from emtnas_hpc.data.folders import (
    Found,
    LeftOut,
    check_looks,
    class_folders,
    counted,
    part_called,
    parts_called,
    pictures_below,
    subfolders,
    unknown_class,
)
from emtnas_hpc.data.images import SPLITS, Images, Split
from emtnas_hpc.data.raw_data import RawData
from emtnas_hpc.errors import DataError, shown, some

_EXPECTED = "expected a folder of pictures for each class"
_N_TRIED = 3


@dataclass(frozen=True)
class ImageFolder:
    """What was found in a folder; no picture has been opened yet."""

    folder: Path
    #: Of the folders in it.
    names: tuple[str, ...]
    #: The name of each part's folder.
    parts: Mapping[Split, str]
    #: Of each part, by class.
    pictures: Mapping[Split, Mapping[str, list[Found]]]
    left_out: LeftOut

    @property
    def fingerprint(self) -> str | None:
        """A digest of the names, sizes and modification times of all pictures; None without any."""
        digest, n = hashlib.sha256(), 0
        for split, part in self.parts.items():
            for name, pictures in self.pictures[split].items():
                if not pictures:
                    # A class without pictures is refused, and must be noticed for that.
                    digest.update(f"{part}/{name}/\0\n".encode(errors="surrogateescape"))
                for found in pictures:
                    line = f"{part}/{name}/{found.name}\0{found.n_bytes}\0{found.mtime_ns}\n"
                    digest.update(line.encode(errors="surrogateescape"))
                    n += 1
        return digest.hexdigest() if n else None

    def read(self, image_size: int) -> RawData:
        """Reads every picture, scaled to a square (a side that is longer is squeezed, not cut).

        Classes are numbered in the order of their folders' names, pictures ordered by theirs. All
        images are RGB, or greyscale if all pictures are. Transparent pixels are laid over white.

        Raises:
            DataError: a folder is missing or empty, a picture cannot be read, or some have more
                bits than others.
        """
        # Imports Pillow, which opening a prepared data set does not need.
        from emtnas_hpc.data.pictures import TRANSPARENT, Conversion

        classes = self._classes()
        notes = [
            f"{shown(self.parts[split])} is read as {split}"
            for split in SPLITS
            if self.parts.get(split, split) != split
        ]
        notes += check_looks(classes, self.folder / self.parts["train"])
        listed = {split: self._list(split, classes) for split in SPLITS if split in self.parts}
        for split, pictures in listed.items():
            present = {label for _path, label in pictures}
            lacking = [name for label, name in enumerate(classes) if label not in present]
            if lacking:
                n = f"{len(lacking)} of {len(classes)}"
                notes.append(f"{split} has no pictures of {n} classes: {some(lacking)}")
        conversion = Conversion.of(path for each in listed.values() for path, _label in each)
        remarks: Counter[str] = Counter()
        sets: dict[Split, Images] = {}
        for split, pictures in listed.items():
            shape = len(pictures), image_size, image_size, len(conversion.mode)
            images = np.empty(shape, np.uint8)
            for i, (path, _label) in enumerate(pictures):
                images[i], found = conversion.read(path, image_size)
                remarks.update(found)
            labels = np.array([label for _path, label in pictures], np.int64)
            names = tuple(str(path.relative_to(self.folder)) for path, _label in pictures)
            sets[split] = Images(images, labels, names)
        notes += self.left_out.notes()
        notes += [f"{counted(n, 'picture')} {what}" for what, n in remarks.items()]
        ground = "transparent pixels over white" if TRANSPARENT in remarks else ""
        converted = ", ".join(filter(None, [str(conversion), ground]))
        return RawData(
            *(sets["train"], sets.get("val"), sets.get("test"), classes),
            conversion=converted,
            notes=tuple(notes),
        )

    def _classes(self) -> tuple[str, ...]:
        """The classes of train: at least two, each with pictures."""
        if "train" not in self.parts:
            hint = _hint(self.folder, self.names)
            raise DataError(f"{shown(self.folder / 'train')} is missing, {_EXPECTED}{hint}")
        train, classes = self.folder / self.parts["train"], tuple(self.pictures["train"])
        if len(classes) < 2:
            stray = self.left_out.stray
            beside = f" and {stray:,} pictures in no class's folder" if stray else ""
            raise DataError(
                f"{shown(train)} has {len(classes)} class folders{beside}, expected at least 2 "
                "class folders"
            )
        for name, pictures in self.pictures["train"].items():
            if not pictures:
                outside = LeftOut()
                pictures_below(train / name, outside)
                what = "; ".join(("", *outside.notes()))
                raise DataError(
                    f"{shown(train / name)} has no pictures, expected files like 0001.png{what}"
                )
        return classes

    def _list(self, split: Split, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
        """Every picture of a part with the number of its class."""
        part, by_class = self.folder / self.parts[split], self.pictures[split]
        for name in by_class:
            if name not in classes:
                raise DataError(unknown_class(name, classes, part))
        listed = [
            (part / name / found.name, label)
            for label, name in enumerate(classes)
            for found in by_class.get(name, [])
        ]
        if not listed:
            raise DataError(
                f"{shown(part)} has no pictures in class folders; add some or remove it"
            )
        return listed


def look_through(folder: Path) -> ImageFolder:
    """Finds all pictures of a folder; one that is gone is empty.

    Raises:
        DataError: something cannot be read, or two folders mean the same part.
    """
    left_out = LeftOut()
    with user_file_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{shown(folder)} is a file, expected a folder with train in it")
        names = subfolders(folder, left_out) if folder.exists() else []
    parts = parts_called(names, shown(folder))
    pictures = {
        split: {
            name: pictures_below(folder / part / name, left_out)
            for name in class_folders(folder / part, left_out)
        }
        for split in SPLITS
        if (part := parts.get(split))
    }
    left_out.folders += sorted(set(names) - set(parts.values()))
    return ImageFolder(folder, tuple(names), parts, pictures, left_out=left_out)


def _hint(folder: Path, names: tuple[str, ...]) -> str:
    """What to do about a folder without train."""
    # One that was unpacked into a folder of its own; many folders are rather the classes.
    for name in names[:_N_TRIED]:
        with suppress(DataError):
            if "train" in map(part_called, subfolders(folder / name, LeftOut())):
                return f"; there is one in {shown(folder / name)}: name that folder as the source"
    if len(names) > 1 and not any(map(part_called, names)):
        return f"; if {some(names)} are the classes, move their folders into train"
    return ""
