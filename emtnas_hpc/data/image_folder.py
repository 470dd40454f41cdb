"""A folder of pictures: `DIR/train/<class>/<picture>`, if there are any also `val/` and `test/`."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    stranger,
    subfolders,
)
from emtnas_hpc.data.images import SPLITS, Images, Split
from emtnas_hpc.data.raw_data import RawData
from emtnas_hpc.errors import DataError, shown, some

_EXPECTED = "expected a folder of pictures for each class"
_N_TRIED = 3


class _Listed(NamedTuple):
    """A picture: its file, its name below the source's folder, the number of its class."""

    path: Path
    name: str
    label: int


class _Conversion(NamedTuple):
    """How the values of all pictures become those of images: as they are, or by a range."""

    mode: str
    depth: str = ""
    values: tuple[float, float] | None = None

    def __str__(self) -> str:
        if self.values is None:
            return ""
        lowest, highest = self.values
        return f"{self.depth} values {lowest:,.6g} to {highest:,.6g} brought to 0 to 255"


@dataclass(frozen=True)
class ImageFolder:
    """What lies in a folder; no picture has been opened yet.

    Attributes:
        folder: that was looked through.
        names: of the folders in it.
        parts: the name of the folder of each part.
        pictures: of each part, by class.
        left_out: of what was found.
    """

    folder: Path
    names: tuple[str, ...]
    parts: Mapping[Split, str]
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
        Pictures of 16 or 32 bits or of floats become 8-bit by one rule: the least value of all of
        them is 0, the largest 255.

        Raises:
            DataError: a folder is missing or empty, a picture cannot be read, or some have more
                bits than others.
        """
        # Its library is not needed to open what is prepared.
        from emtnas_hpc.data.pictures import TRANSPARENT

        classes = self._classes()
        notes = [
            f"{shown(self.parts[split])} is read as {split}"
            for split in SPLITS
            if self.parts.get(split, split) != split
        ]
        notes += check_looks(classes, self.folder / self.parts["train"])
        listed = {s: self._listed(s, classes) for s in SPLITS if s in self.parts}
        for split, pictures in listed.items():
            notes += _lacking(split, pictures, classes)
        conversion = _conversion(picture for each in listed.values() for picture in each)
        oddities: Counter[str] = Counter()
        sets = {s: _read(each, conversion, image_size, oddities) for s, each in listed.items()}
        notes += self.left_out.notes()
        notes += [f"{counted(n, 'picture')} {what}" for what, n in oddities.items()]
        ground = "transparent pixels over white" if TRANSPARENT in oddities else ""
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

    def _listed(self, split: Split, classes: tuple[str, ...]) -> list[_Listed]:
        part, by_class = self.parts[split], self.pictures[split]
        for name in by_class:
            if name not in classes:
                raise DataError(stranger(name, classes, self.folder / part))
        listed = [
            _Listed(self.folder / part / name / found.name, f"{part}/{name}/{found.name}", label)
            for label, name in enumerate(classes)
            for found in by_class.get(name, [])
        ]
        if not listed:
            raise DataError(
                f"{shown(self.folder / part)} has no pictures in class folders; add some or remove "
                "it"
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


def _lacking(split: Split, pictures: list[_Listed], classes: tuple[str, ...]) -> Iterator[str]:
    """A test set may lack a class that training knows; it is said."""
    present = {picture.label for picture in pictures}
    lacking = [name for label, name in enumerate(classes) if label not in present]
    if lacking:
        n, n_classes = len(lacking), len(classes)
        yield f"{split} has no pictures of {n} of {n_classes} classes: {some(lacking)}"


def _conversion(pictures: Iterable[_Listed]) -> _Conversion:
    """The rule that fits all pictures.

    Raises:
        DataError: they have different depths, whose values cannot be compared.
    """
    from emtnas_hpc.data.pictures import EIGHT_BITS, look_at

    first: dict[str, Path] = {}
    lowest, highest, grey = np.inf, -np.inf, True
    for picture in pictures:
        look = look_at(picture.path)
        first.setdefault(look.depth, picture.path)
        if len(first) > 1:
            (one, path), (other, another) = first.items()
            raise DataError(
                f"{shown(path)} is {one} and {shown(another)} is {other}, expected one depth in "
                "all pictures, as their values cannot be compared; convert them by one rule"
            )
        grey = grey and look.is_grey
        lowest, highest = min(lowest, look.lowest), max(highest, look.highest)
    (depth,) = first
    if depth == EIGHT_BITS:
        return _Conversion("L" if grey else "RGB")
    values = (float(lowest), float(highest)) if lowest <= highest else (0.0, 0.0)
    return _Conversion("L", depth, values)


def _read(
    pictures: list[_Listed], conversion: _Conversion, size: int, oddities: Counter[str]
) -> Images:
    from emtnas_hpc.data.pictures import square_of_8_bits, square_of_range

    images = np.empty((len(pictures), size, size, len(conversion.mode)), np.uint8)
    for i, picture in enumerate(pictures):
        if conversion.values is None:
            images[i], said = square_of_8_bits(picture.path, conversion.mode, size)
        else:
            images[i], said = square_of_range(picture.path, conversion.values, size)
        oddities.update(said)
    labels = np.array([picture.label for picture in pictures], np.int64)
    return Images(images, labels, tuple(picture.name for picture in pictures))
