"""Looks through folders of pictures: classes, pictures at any depth, and what is left out."""

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.checkpoint.os_errors import user_file_errors
from emtnas_hpc.data.images import Split
from emtnas_hpc.errors import DataError, shown, some

#: Not those that this Pillow was built with: a folder means the same pictures on every machine.
_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".webp", ".avif", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".jp2", ".j2k"),
        *(".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".pcx", ".qoi", ".sgi"),
    }
)
#: Operating systems leave these in folders, and files whose names begin with a dot.
_NOISE = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin"}
)
_SPECIAL = "pipes, sockets or devices"
_NO_SUFFIX = "without a suffix"
_SHOWN_SUFFIX = 12
_N_SUFFIXES = 4


@dataclass
class LeftOut:
    """Counts what is not read, or lies at an unexpected place."""

    #: By suffix.
    files: Counter[str] = field(default_factory=Counter)
    #: Pictures outside the folders of classes.
    stray: int = 0
    #: Pictures in folders within that of a class; they are read.
    deeper: int = 0
    #: Folders that are no part of the data set.
    folders: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Lines for the user."""
        lines = []
        if n := self.files.total():
            common = [
                f"{number:,} {suffix if suffix.isprintable() else repr(suffix)}"
                for suffix, number in self.files.most_common(_N_SUFFIXES)
            ]
            if (rest := len(self.files) - _N_SUFFIXES) > 0:
                common.append(f"and {rest:,} suffixes more")
            lines.append(f"{counted(n, 'file')} left out: {', '.join(common)}")
        if n := self.stray:
            lines.append(f"{counted(n, 'picture')} left out, in no folder of a class")
        if n := self.deeper:
            lines.append(f"{counted(n, 'picture')} read from folders within those of the classes")
        if n := len(self.folders):
            lines.append(f"{counted(n, 'folder')} left out: {some(self.folders)}")
        return tuple(lines)


def subfolders(folder: Path, left_out: LeftOut) -> list[str]:
    """The names of the folders in a folder, sorted; its files are counted as left out.

    Raises:
        DataError: it cannot be read, or a link in it leads nowhere.
    """
    names = []
    for entry in _entries(folder):
        with user_file_errors(folder):
            # Fails in a folder whose names may be read, but which may not be entered.
            entry.stat(follow_symlinks=False)
        if _is_folder(entry):
            names.append(entry.name)
            continue
        # A link that leads nowhere may have led to a class.
        with user_file_errors(Path(entry.path)):
            entry.stat()
        if _is_picture(entry.name):
            left_out.stray += 1
        else:
            left_out.files[_suffix(entry.name)] += 1
    return sorted(names)


def class_folders(folder: Path, left_out: LeftOut) -> tuple[str, ...]:
    """The names of the class folders of a part, sorted; errors as of `subfolders`."""
    names = subfolders(folder, left_out)
    for name in names:
        # They become text in the manifest and in reports.
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{shown(folder / name)} has a name that is not UTF-8, expected one that is, as it "
                "names a class; rename it"
            ) from None
    return tuple(names)


class Found(NamedTuple):
    """A picture file: its name below the folder of its class, its size, when it was changed."""

    name: str
    n_bytes: int
    mtime_ns: int


def pictures_below(folder: Path, left_out: LeftOut) -> list[Found]:
    """All pictures of a class in the order of their names, at any depth below its folder.

    Raises:
        DataError: something cannot be read, leads nowhere, or leads back.
    """
    found = _walk(folder, "", (), left_out)
    return sorted(found, key=lambda picture: picture.name.split("/"))


def check_looks(classes: Collection[str], where: Path) -> tuple[str, ...]:
    """A line for the user if names of classes differ in nothing but capitals.

    Raises:
        DataError: two look the same, and differ in their bytes only.
    """
    seen: dict[str, str] = {}
    for name in classes:
        twin = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if twin != name:
            raise DataError(
                f"{shown(where)} has two folders {name!r} of the same letters, composed "
                "differently; rename one, or move its pictures to the other"
            )
    folded = Counter(name.casefold() for name in classes)
    alike = [name for name in classes if folded[name.casefold()] > 1]
    return (f"classes that differ in capitals alone: {some(alike)}",) if alike else ()


def unknown_class(name: str, classes: Collection[str], where: Path) -> str:
    """What is wrong with a class that training does not know."""
    for known in classes:
        if unicodedata.normalize("NFC", known) == unicodedata.normalize("NFC", name):
            return (
                f"{shown(where / name)} has the same letters as a class of train, composed "
                "differently (Unicode NFC and NFD); rename one"
            )
        if known.casefold() == name.casefold():
            return f"{shown(where / name)} is called {known!r} in train; rename one"
    return f"{shown(where / name)} is a class that train has not; expected {some(classes)}"


def _walk(
    folder: Path, below: str, above: tuple[tuple[int, int], ...], left_out: LeftOut
) -> Iterator[Found]:
    with user_file_errors(folder):
        state = folder.stat()
    here = (state.st_dev, state.st_ino)
    if here in above:
        raise DataError(f"{shown(folder)} is a link that leads back to where it lies; remove it")
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from _walk(Path(entry.path), f"{below}{entry.name}/", (*above, here), left_out)
        elif not _is_picture(entry.name):
            if entry.is_symlink() and not Path(entry.path).suffix:
                # A link that leads nowhere, without a suffix, may have led to a folder.
                with user_file_errors(Path(entry.path)):
                    entry.stat()
            left_out.files[_suffix(entry.name)] += 1
        else:
            with user_file_errors(Path(entry.path)):
                state = entry.stat()
            if stat.S_ISREG(state.st_mode):
                left_out.deeper += bool(below)
                yield Found(f"{below}{entry.name}", state.st_size, state.st_mtime_ns)
            else:
                left_out.files[_SPECIAL] += 1


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with user_file_errors(folder), os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in _NOISE
        ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with user_file_errors(Path(entry.path)):
        return entry.is_dir()


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()[:_SHOWN_SUFFIX] or _NO_SUFFIX


def counted(n: int, what: str) -> str:
    """A number of things, by the word for one of them."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
#: Used for the validation set by some, and for the test set by others.
_AMBIGUOUS = frozenset({"eval", "evaluation"})

_NO_LETTER = re.compile(r"[\W\d_]+")
_OF_WHAT = re.compile(r"(set|data|images|imgs|pictures)$")


def part_called(name: str) -> Split | None:
    """The part that a name means, in any case and spelling: `Train`, `valid`, `test_set`."""
    return _WORDS.get(_word(name))


def parts_called(
    names: Collection[str], where: str, word: Callable[[str], str] = str
) -> dict[Split, str]:
    """Which of some names means each part; `word` gives the word of a name that tells its part.

    Raises:
        DataError: two mean the same part, or one may mean either of two.
    """
    parts: dict[Split, str] = {}
    for name in sorted(names):
        part = part_called(word(name))
        if part is None:
            continue
        if part in parts:
            raise DataError(
                f"{where} has {parts[part]!r} and {name!r}, which both mean {part}, expected one; "
                "rename or move the other"
            )
        parts[part] = name
    unclear = [name for name in sorted(names) if _word(word(name)) in _AMBIGUOUS]
    if unclear and not parts.keys() >= {"val", "test"}:
        raise DataError(
            f"{where} has {unclear[0]!r}, which may mean validation or test; rename it to val or "
            "test"
        )
    return parts


def _word(name: str) -> str:
    return _OF_WHAT.sub("", _NO_LETTER.sub("", name.lower()))


#: The folder of each part of a listed data set. The test set of ImageNet has no labels, so `val`
#: is used for the test, as is usual.
LISTED: dict[Split, str] = {"train": "train", "test": "val"}

_LAYOUT = "expected train/CLASS/*.JPEG and val/CLASS/*.JPEG, the same classes in both"


@dataclass(frozen=True)
class FileList:
    """The pictures of one part, by class and name; all arrays are (n,)."""

    #: Below the folders of their classes.
    names: NDArray[np.bytes_]
    #: In bytes.
    sizes: NDArray[np.int64]
    #: Numbers of their classes.
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, i: int | np.int64) -> str:
        """The name of one file."""
        return os.fsdecode(bytes(self.names[i]))

    def path(self, i: int | np.int64, classes: Sequence[str]) -> str:
        """Where one file is below the folder of its part."""
        return f"{classes[self.labels[i]]}/{self.name(i)}"


@dataclass(frozen=True)
class Listing:
    """All pictures of a data set by part, and lines for the user on what was left out."""

    classes: tuple[str, ...]
    files: Mapping[Split, FileList]
    notes: tuple[str, ...] = ()


def list_folder(folder: Path) -> Listing:
    """Lists all pictures of a data set.

    Raises:
        DataError: the folder is laid out differently, or cannot be read.
    """
    left_out = LeftOut()
    with user_file_errors(folder):
        names = subfolders(folder, left_out) if folder.is_dir() else []
    for part in LISTED.values():
        alike = [name for name in names if part_called(name) == part]
        if alike and part not in alike:
            raise DataError(
                f"{shown(folder / part)} is missing; rename {alike[0]!r} to {part} ({_LAYOUT})"
            )
    check_folders(folder)
    left_out.folders += [name for name in names if name not in LISTED.values()]
    classes, looks = _class_names(folder, left_out)
    files = {split: _list_files(folder / part, classes, left_out) for split, part in LISTED.items()}
    for split, listed in files.items():
        for i in np.flatnonzero(listed.sizes == 0)[:1]:
            path = folder / LISTED[split] / listed.path(i, classes)
            raise DataError(f"{shown(path)} cannot be read as a picture (the file is empty)")
    return Listing(classes, files, (*looks, *left_out.notes()))


def check_folders(folder: Path) -> None:
    """Raises a DataError unless the folders of training and test pictures are there."""
    for name in LISTED.values():
        with user_file_errors(folder / name):
            is_there = (folder / name).is_dir()
        if not is_there:
            raise DataError(f"{shown(folder / name)} is missing; {_LAYOUT}")


def _class_names(folder: Path, left_out: LeftOut) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes, and lines for the user on names that look alike."""
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
            raise DataError(f"{unknown_class(name, train, folder / 'val')}; {_LAYOUT}")
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
        found.append(sorted((os.fsencode(each.name), each.n_bytes) for each in pictures))
    together = [picture for pictures in found for picture in pictures]
    return FileList(
        np.array([name for name, _size in together], np.bytes_),
        np.array([size for _name, size in together], np.int64),
        np.repeat(np.arange(len(classes)), [len(pictures) for pictures in found]),
    )
