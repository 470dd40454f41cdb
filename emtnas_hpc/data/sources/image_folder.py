"""A folder of pictures: `DIR/train/<class>/<picture>`, if there are any also `val/` and `test/`."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import SPLITS, Images, Split
from emtnas_hpc.data.raw import RawData
from emtnas_hpc.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_GREY_MODES = frozenset({"1", "L", "LA"})


def read_image_folder(folder: Path, image_size: int) -> RawData:
    """Reads every picture, scaled to a square (a side that is longer is squeezed, not cut).

    Classes are numbered in the order of their folders' names, pictures ordered by theirs. All
    images are RGB, or greyscale if all pictures are. Files with other suffixes are ignored.

    Raises:
        DataError: a folder is missing or empty, or a picture cannot be read.
    """
    splits = [split for split in SPLITS if (folder / split).is_dir()]
    if "train" not in splits:
        raise DataError(
            f"{folder / 'train'} is missing, expected a folder of pictures for each class"
        )
    classes = _class_names(folder / "train")
    if len(classes) < 2:
        raise DataError(f"{folder / 'train'} has {len(classes)} class folders, expected at least 2")
    pictures = {split: list(_pictures(folder / split, classes)) for split in splits}
    mode = "L" if all(map(_is_grey, _paths(pictures))) else "RGB"
    sets = {split: _read(folder, pictures[split], mode, image_size) for split in splits}
    return RawData(sets["train"], sets.get("val"), sets.get("test"), classes)


def folder_fingerprint(folder: Path) -> str | None:
    """A digest of the names, sizes and modification times of all pictures; None without any."""
    digest = hashlib.sha256()
    paths = sorted(path for split in SPLITS for path in (folder / split).glob("*/*"))
    for path in filter(_is_picture, paths):
        state = path.stat()
        line = f"{path.relative_to(folder)}\0{state.st_size}\0{state.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest() if paths else None


def _class_names(folder: Path) -> tuple[str, ...]:
    return tuple(
        sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    )


def _pictures(folder: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    for name in _class_names(folder):
        if name not in classes:
            raise DataError(f"{folder / name} is a class that train has not; expected {classes}")
    for label, name in enumerate(classes):
        paths = sorted(filter(_is_picture, (folder / name).glob("*")))
        if not paths:
            raise DataError(f"{folder / name} has no pictures, expected files like 0001.png")
        yield from ((path, label) for path in paths)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.name[0] != "."


def _paths(pictures: dict[Split, list[tuple[Path, int]]]) -> Iterator[Path]:
    return (path for split in pictures.values() for path, _label in split)


def _is_grey(path: Path) -> bool:
    with _open(path) as picture:
        return picture.mode in _GREY_MODES


def _read(folder: Path, pictures: list[tuple[Path, int]], mode: str, image_size: int) -> Images:
    images = np.stack([_pixels(path, mode, image_size) for path, _label in pictures])
    labels = np.array([label for _path, label in pictures], np.int64)
    names = tuple(path.relative_to(folder).as_posix() for path, _label in pictures)
    return Images(images, labels, names)


def _pixels(path: Path, mode: str, image_size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    try:
        with _open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            scaled = upright.convert(mode).resize((image_size,) * 2, Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from None
    return np.asarray(scaled, np.uint8).reshape(image_size, image_size, -1)


def _open(path: Path) -> "Image":
    from PIL import Image

    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a picture ({error})") from None
