"""Folders of pictures as they are: classes, pictures at any depth, and what is left out of them."""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emtnas_hpc.errors import DataError, shown, some

#: The same whatever this Pillow was built with, so that a folder means the same pictures anywhere.
_SUFFIXES = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".webp", ".avif", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".jp2", ".j2k"),
        *(".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".pcx", ".qoi", ".sgi"),
    }
)
#: What operating systems leave in folders, beside files whose names begin with a dot.
_NOISE = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin"}
)
_SPECIAL = "pipes, sockets or devices"
_NO_SUFFIX = "without a suffix"
_SHOWN_SUFFIX = 12


@dataclass
class LeftOut:
    """Counts what is not read, or lies where nobody may expect it, to be said in a line.

    Attributes:
        files: number, by suffix.
        stray: pictures that lie in no class's folder.
        deeper: pictures that are read although they lie in folders within one of a class.
        folders: names of folders that are no part of the data set.
    """

    files: Counter[str] = field(default_factory=Counter)
    stray: int = 0
    deeper: int = 0
    folders: list[str] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """Lines for the user."""
        lines = []
        if n := self.files.total():
            lines.append(
                f"{n:,} {'file' if n == 1 else 'files'} left out: {_by_suffix(self.files)}"
            )
        if self.stray:
            lines.append(f"{_pictures(self.stray)} left out, in no folder of a class")
        if self.deeper:
            lines.append(f"{_pictures(self.deeper)} read from folders within those of the classes")
        if n := len(self.folders):
            lines.append(
                f"{n:,} {'folder' if n == 1 else 'folders'} left out: {some(self.folders)}"
            )
        return tuple(lines)


def subfolders(folder: Path, left_out: LeftOut) -> list[str]:
    """The names of the folders in a folder, sorted; its files are counted as left out.

    Raises:
        DataError: it cannot be read, or a link in it leads nowhere.
    """
    names = []
    for entry in _entries(folder):
        with read_errors(folder):
            # A folder whose entries may be listed, but not entered.
            entry.stat(follow_symlinks=False)
        if _is_folder(entry):
            names.append(entry.name)
            continue
        # Where classes lie any link that leads nowhere may have led to one.
        with read_errors(Path(entry.path)):
            entry.stat()
        if _is_picture(entry.name):
            left_out.stray += 1
        else:
            left_out.files[_suffix(entry.name)] += 1
    return sorted(names)


def class_folders(folder: Path, left_out: LeftOut) -> tuple[str, ...]:
    """The names of the class folders of a part, sorted.

    Raises:
        DataError: the folder cannot be read, or a name is not UTF-8.
    """
    names = subfolders(folder, left_out)
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{shown(folder / name)} has a name that is not UTF-8, expected one that is, as it "
                "names a class; rename it"
            ) from None
    return tuple(names)


def pictures_below(folder: Path, left_out: LeftOut) -> list[tuple[str, int]]:
    """All pictures of a class, in folders within its folder too.

    Returns:
        Of each its name below the folder and its size in bytes, in the order of the names.

    Raises:
        DataError: something cannot be read, leads nowhere, or leads back.
    """
    found = _walk(folder, "", (), left_out)
    return sorted(found, key=lambda picture: picture[0].split("/"))


def check_looks(classes: Collection[str], where: Path) -> tuple[str, ...]:
    """Compares the looks of class names, which are told apart by their bytes.

    Returns:
        A line for the user if some differ in nothing but capitals.

    Raises:
        DataError: two look the same.
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


def stranger(name: str, classes: Collection[str], where: Path) -> str:
    """What is said of a class that training does not know."""
    for known in classes:
        if unicodedata.normalize("NFC", known) == unicodedata.normalize("NFC", name):
            return (
                f"{shown(where / name)} has the same letters as a class of train, composed "
                "differently (Unicode NFC and NFD); rename one"
            )
        if known.casefold() == name.casefold():
            return f"{shown(where / name)} is called {known!r} in train; rename one"
    return f"{shown(where / name)} is a class that train has not; expected {some(classes)}"


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turns every OSError of the block into a DataError that names the path."""
    try:
        yield
    except OSError as error:
        lost = isinstance(error, FileNotFoundError) and path.is_symlink()
        advice = ": the link leads nowhere; mend or remove it" if lost else ""
        raise DataError(f"{shown(path)} cannot be read ({error.strerror}){advice}") from None


def _walk(
    folder: Path, below: str, above: tuple[tuple[int, int], ...], left_out: LeftOut
) -> Iterator[tuple[str, int]]:
    with read_errors(folder):
        state = folder.stat()
    here = (state.st_dev, state.st_ino)
    if here in above:
        raise DataError(f"{shown(folder)} is a link that leads back to where it lies; remove it")
    for entry in _entries(folder):
        if _is_folder(entry):
            yield from _walk(Path(entry.path), f"{below}{entry.name}/", (*above, here), left_out)
        elif not _is_picture(entry.name):
            _refuse_lost_folder(entry)
            left_out.files[_suffix(entry.name)] += 1
        else:
            with read_errors(Path(entry.path)):
                state = entry.stat()
            if stat.S_ISREG(state.st_mode):
                left_out.deeper += bool(below)
                yield f"{below}{entry.name}", state.st_size
            else:
                left_out.files[_SPECIAL] += 1


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with read_errors(folder), os.scandir(folder) as entries:
        return [entry for entry in entries if not _is_noise(entry.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with read_errors(Path(entry.path)):
        return entry.is_dir()


def _refuse_lost_folder(entry: os.DirEntry[str]) -> None:
    """A link that leads nowhere, with a name as folders have it, may have led to many pictures."""
    path = Path(entry.path)
    if entry.is_symlink() and not path.suffix:
        with read_errors(path):
            path.stat()


def _is_noise(name: str) -> bool:
    return name[0] == "." or name.lower() in _NOISE


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _SUFFIXES


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()[:_SHOWN_SUFFIX] or _NO_SUFFIX


def _pictures(n: int) -> str:
    return f"{n:,} {'picture' if n == 1 else 'pictures'}"


def _by_suffix(files: Counter[str], at_most: int = 4) -> str:
    common = [
        f"{n:,} {suffix if suffix.isprintable() else repr(suffix)}"
        for suffix, n in files.most_common(at_most)
    ]
    rest = len(files) - at_most
    return ", ".join(common) + (f", and {rest:,} suffixes more" if rest > 0 else "")
