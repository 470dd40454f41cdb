"""The pictures of `DIR/train/<class>/` and `DIR/val/<class>/` as lists; none is opened.

The images of `val` are the test set, as is usual for ImageNet, whose own test set has no labels.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.folders import (
    LeftOut,
    check_looks,
    class_folders,
    pictures_below,
    read_errors,
    stranger,
    subfolders,
)
from emtnas_hpc.data.images import Split
from emtnas_hpc.data.part_names import part_called
from emtnas_hpc.errors import DataError, shown

#: The parts of a task, and the folder that each lies in.
LISTED: dict[Split, str] = {"train": "train", "test": "val"}

_LAYOUT = "expected train/CLASS/*.JPEG and val/CLASS/*.JPEG, the same classes in both"


@dataclass(frozen=True)
class FileList:
    """The pictures of one part, by class and name.

    Attributes:
        names: of the files below the folders of their classes, bytes, (n,).
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
        notes: lines for the user, of what was left out.
    """

    classes: tuple[str, ...]
    files: Mapping[Split, FileList]
    notes: tuple[str, ...] = ()


def list_folder(folder: Path) -> Listing:
    """Lists all pictures of a data set.

    Raises:
        DataError: the folder is laid out differently, or cannot be read.
    """
    left_out = LeftOut()
    _check_parts(folder, left_out)
    classes, looks = _class_names(folder, left_out)
    files = {split: _list_files(folder / part, classes, left_out) for split, part in LISTED.items()}
    for split, listed in files.items():
        for i in np.flatnonzero(listed.sizes == 0)[:1]:
            path = folder / LISTED[split] / classes[listed.labels[i]] / listed.name(i)
            raise DataError(f"{shown(path)} cannot be read as a picture (the file is empty)")
    return Listing(classes, files, (*looks, *left_out.notes()))


def check_folders(folder: Path) -> None:
    """Looks whether the folders of training and test pictures are there.

    Raises:
        DataError: one is not, or cannot be looked at.
    """
    for name in LISTED.values():
        with read_errors(folder / name):
            is_there = (folder / name).is_dir()
        if not is_there:
            raise DataError(f"{shown(folder / name)} is missing; {_LAYOUT}")


def _check_parts(folder: Path, left_out: LeftOut) -> None:
    """Looks for the folders of the parts, and notes which others there are."""
    with read_errors(folder):
        names = subfolders(folder, left_out) if folder.is_dir() else []
    for part in LISTED.values():
        alike = [name for name in names if part_called(name) == part]
        if alike and part not in alike:
            raise DataError(
                f"{shown(folder / part)} is missing; rename {alike[0]!r} to {part} ({_LAYOUT})"
            )
    check_folders(folder)
    left_out.folders += [name for name in names if name not in LISTED.values()]


def _class_names(folder: Path, left_out: LeftOut) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes, and what is to be said of their looks."""
    train, val = (class_folders(folder / name, left_out) for name in LISTED.values())
    if len(train) < 2:
        raise DataError(
            f"{shown(folder / 'train')} has {len(train)} class folders, expected at least 2"
        )
    if not val:
        raise DataError(f"{shown(folder / 'val')} has no class folders; {_LAYOUT}")
    looks = check_looks(train, folder / "train")
    for name in val:
        if name not in train:
            raise DataError(f"{stranger(name, train, folder / 'val')}; {_LAYOUT}")
    if lacking := [name for name in train if name not in val]:
        raise DataError(
            f"{shown(folder / 'val')} has no class {lacking[0]!r}, as train has; {_LAYOUT}"
        )
    return train, looks


def _list_files(folder: Path, classes: tuple[str, ...], left_out: LeftOut) -> FileList:
    """The pictures of the class folders within `folder`, each sorted by name."""
    found = []
    for name in classes:
        pictures = pictures_below(folder / name, left_out)
        if not pictures:
            raise DataError(f"{shown(folder / name)} has no pictures; {_LAYOUT}")
        found.append(sorted((os.fsencode(picture), size) for picture, size in pictures))
    together = [picture for pictures in found for picture in pictures]
    return FileList(
        np.array([name for name, _size in together], np.bytes_),
        np.array([size for _name, size in together], np.int64),
        np.repeat(np.arange(len(classes)), [len(pictures) for pictures in found]),
    )
