"""A folder of pictures: `DIR/train/<class>/<picture>`, if there are any also `val/` and `test/`."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emtnas_hpc.data.folders import (
    LeftOut,
    check_looks,
    class_folders,
    part_called,
    parts_called,
    pictures_below,
    read_errors,
    stranger,
    subfolders,
)
from emtnas_hpc.data.images import SPLITS, Images, RawData, Split
from emtnas_hpc.errors import DataError, shown, some

_EXPECTED = "expected a folder of pictures for each class"
_N_TRIED = 3


@dataclass(frozen=True)
class _Listed:
    """A picture: its file, its name below the source's folder, the number of its class."""

    path: Path
    name: str
    label: int


@dataclass(frozen=True)
class _Conversion:
    """How values become those of an image: one rule for all pictures."""

    mode: str
    lowest: float | None = None
    highest: float | None = None
    depth: str = ""

    @property
    def text(self) -> str:
        """In words; empty where they are taken as they are."""
        if self.lowest is None or self.highest is None:
            return ""
        return f"{self.depth} values {self.lowest:,.6g} to {self.highest:,.6g} brought to 0 to 255"


def read_image_folder(folder: Path, image_size: int) -> RawData:
    """Reads every picture, scaled to a square (a side that is longer is squeezed, not cut).

    Classes are numbered in the order of their folders' names, pictures ordered by theirs. All
    images are RGB, or greyscale if all pictures are. Transparent pixels are laid over white.
    Pictures of 16 or 32 bits or of floats become 8-bit by one rule: the least value of all of them
    is 0, the largest 255.

    Raises:
        DataError: a folder is missing or empty, a picture cannot be read, or some have more bits
            than others.
    """
    # Its library is needed by nobody who only opens data.
    from emtnas_hpc.data.pictures import TRANSPARENT

    left_out = LeftOut()
    parts = _parts(folder, left_out)
    classes = class_folders(folder / parts["train"], left_out)
    _check_classes(folder / parts["train"], classes, left_out)
    notes = [f"{shown(parts[s])} is read as {s}" for s in SPLITS if s in parts and parts[s] != s]
    notes += check_looks(classes, folder / parts["train"])
    pictures: dict[Split, list[_Listed]] = {}
    for split in (split for split in SPLITS if split in parts):
        pictures[split] = _pictures(folder, parts[split], classes, left_out)
        notes += _lacking(split, pictures[split], classes)
    conversion = _conversion([picture for each in pictures.values() for picture in each])
    oddities: Counter[str] = Counter()
    sets = {
        split: _read(each, conversion, image_size, oddities) for split, each in pictures.items()
    }
    notes += left_out.notes()
    notes += [f"{n:,} {'picture' if n == 1 else 'pictures'} {what}" for what, n in oddities.items()]
    ground = ["transparent pixels over white"] if TRANSPARENT in oddities else []
    converted = ", ".join([*filter(None, [conversion.text]), *ground])
    return RawData(
        sets["train"], sets.get("val"), sets.get("test"), classes, converted, tuple(notes)
    )


def folder_fingerprint(folder: Path) -> str | None:
    """A digest of the names, sizes and modification times of all pictures; None without any.

    Raises:
        DataError: the folder cannot be looked through.
    """
    digest, left_out, n = hashlib.sha256(), LeftOut(), 0
    for part in parts_called(_folders(folder, left_out), shown(folder)).values():
        for name in class_folders(folder / part, left_out):
            pictures = pictures_below(folder / part / name, left_out)
            if not pictures:
                # A class without pictures is refused, and must be noticed for that.
                digest.update(f"{part}/{name}/\0\n".encode(errors="surrogateescape"))
            for picture, size in pictures:
                path = folder / part / name / picture
                with read_errors(path):
                    line = f"{part}/{name}/{picture}\0{size}\0{path.stat().st_mtime_ns}\n"
                digest.update(line.encode(errors="surrogateescape"))
                n += 1
    return digest.hexdigest() if n else None


def _parts(folder: Path, left_out: LeftOut) -> dict[Split, str]:
    """The folder of each part, by name."""
    names = _folders(folder, left_out)
    parts = parts_called(names, shown(folder))
    if "train" not in parts:
        raise DataError(f"{shown(folder / 'train')} is missing, {_EXPECTED}{_hint(folder, names)}")
    left_out.folders += sorted(set(names) - set(parts.values()))
    return parts


def _folders(folder: Path, left_out: LeftOut) -> list[str]:
    """The names of the folders in a folder; none where it is gone."""
    with read_errors(folder):
        if not folder.exists():
            return []
        if not folder.is_dir():
            raise DataError(f"{shown(folder)} is a file, expected a folder with train in it")
    return subfolders(folder, left_out)


def _hint(folder: Path, names: list[str]) -> str:
    """What to do about a folder without train."""
    # One that was unpacked into a folder of its own; many folders are rather the classes.
    for name in names[:_N_TRIED]:
        with suppress(DataError):
            if "train" in map(part_called, subfolders(folder / name, LeftOut())):
                return f"; there is one in {shown(folder / name)}: name that folder as the source"
    if len(names) > 1 and not any(map(part_called, names)):
        return f"; if {some(names)} are the classes, move their folders into train"
    return ""


def _check_classes(train: Path, classes: tuple[str, ...], left_out: LeftOut) -> None:
    if len(classes) >= 2:
        return
    stray = f" and {left_out.stray:,} pictures in no class's folder" if left_out.stray else ""
    raise DataError(
        f"{shown(train)} has {len(classes)} class folders{stray}, expected at least 2 class folders"
    )


def _pictures(
    folder: Path, part: str, classes: tuple[str, ...], left_out: LeftOut
) -> list[_Listed]:
    own = class_folders(folder / part, left_out) if part_called(part) != "train" else classes
    for name in own:
        if name not in classes:
            raise DataError(stranger(name, classes, folder / part))
    listed = []
    for label, name in enumerate(classes):
        within = folder / part / name
        outside = LeftOut()
        found = pictures_below(within, outside) if name in own else []
        if not found and part_called(part) == "train":
            what = "; ".join(("", *outside.notes()))
            raise DataError(f"{shown(within)} has no pictures, expected files like 0001.png{what}")
        left_out.files += outside.files
        left_out.deeper += outside.deeper
        listed += [_Listed(within / each, f"{part}/{name}/{each}", label) for each, _size in found]
    if not listed:
        raise DataError(
            f"{shown(folder / part)} has no pictures in class folders; add some or remove it"
        )
    return listed


def _lacking(split: Split, pictures: list[_Listed], classes: tuple[str, ...]) -> list[str]:
    """A test set may lack a class that training knows; it is said."""
    present = {picture.label for picture in pictures}
    lacking = [name for label, name in enumerate(classes) if label not in present]
    if not lacking:
        return []
    return [f"{split} has no pictures of {len(lacking)} of {len(classes)} classes: {some(lacking)}"]


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
        if look.lowest is not None and look.highest is not None:
            lowest, highest = min(lowest, look.lowest), max(highest, look.highest)
    (depth,) = first
    if depth == EIGHT_BITS:
        return _Conversion("L" if grey else "RGB")
    if lowest > highest:
        lowest = highest = 0.0
    return _Conversion("L", float(lowest), float(highest), depth)


def _read(
    pictures: list[_Listed], conversion: _Conversion, size: int, oddities: Counter[str]
) -> Images:
    from emtnas_hpc.data.pictures import square_of_8_bits, square_of_range

    images = np.empty((len(pictures), size, size, len(conversion.mode)), np.uint8)
    for i, picture in enumerate(pictures):
        lowest, highest = conversion.lowest, conversion.highest
        if lowest is None or highest is None:
            images[i], said = square_of_8_bits(picture.path, conversion.mode, size)
        else:
            images[i], said = square_of_range(picture.path, lowest, highest, size)
        oddities.update(said)
    labels = np.array([picture.label for picture in pictures], np.int64)
    return Images(images, labels, tuple(picture.name for picture in pictures))
