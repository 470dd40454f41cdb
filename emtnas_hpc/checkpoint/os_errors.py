"""Refusals of the operating system as errors of ours, and readers that tell them from absence.

A file or folder that may not be read is neither missing nor damaged: code that looks for one asks
here, and gets an error.
"""

import errno
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DataError, StorageError, shown

T = TypeVar("T")

#: What to do about a refusal, by its number.
_ADVICE = {
    errno.ENOSPC: "the disk is full: make room and start again",
    errno.EDQUOT: "the quota is used up: make room and start again",
    errno.EROFS: "the file system is read-only: remount it or choose another --runs directory",
    errno.ESTALE: "the file server knows it no longer: try again",
    errno.ELOOP: "a link leads back to itself",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a file is where a folder is expected",
    errno.EISDIR: "a folder is where a file is expected",
    errno.EEXIST: "something else has that name",
    errno.ESPIPE: "a pipe or a device is where a file is expected",
}
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def storage_error(
    path: Path,
    error: OSError,
    verb: str = "write",
    advice: str | None = None,
    *,
    intact: bool = False,
) -> StorageError:
    """A refusal of the operating system as our error.

    `intact`: there are earlier commits, which a refused one leaves as they are.
    """
    if error.errno in _FORBIDDEN:
        advice = _owner_advice(path)
    elif error.errno == errno.ENOENT and (link := _lost_link(path)) is not None:
        advice = f"{shown(link)} is a link to {shown(link.readlink())}, which is not there"
    elif advice is None:
        advice = _ADVICE.get(error.errno or 0, "check the disk and start again")
    stands = " (earlier commits are intact)" if intact else ""
    return StorageError(f"{refusal(path, error, verb)}; {advice}{stands}")


def refusal(path: Path | str, error: OSError, verb: str = "read") -> str:
    """What an operating system refused, and why."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot {verb} {shown(path)}: {reason}"


@contextmanager
def user_file_errors(path: Path | str) -> Iterator[None]:
    """Turns every OSError of reading a file or folder of the user's into a DataError."""
    try:
        yield
    except OSError as error:
        lost = isinstance(error, FileNotFoundError) and Path(path).is_symlink()
        advice = "; the link leads nowhere: mend or remove it" if lost else ""
        raise DataError(f"{refusal(path, error)}{advice}") from None


@contextmanager
def storage_errors(path: Path, verb: str = "write", advice: str | None = None) -> Iterator[None]:
    """Turns every OSError of the block into a StorageError; arguments as in `storage_error`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, verb, advice) from error


def read_if_there(path: Path) -> bytes | None:
    """The content of a file; None where there is none.

    Raises:
        StorageError: it cannot be read, or is a link that leads nowhere.
    """
    return _unless_missing(path, path.read_bytes) if is_there(path) else None


def names_in(folder: Path) -> list[str]:
    """The names in a folder, in no order; none where there is no folder.

    Raises:
        StorageError: it cannot be listed, or is a file, or a link that leads nowhere.
    """
    # To build a Path for every name takes longer than the listing itself.
    return _unless_missing(folder, lambda: os.listdir(folder)) or []  # noqa: PTH208


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; of a link, what it leads to.

    Raises:
        StorageError: that cannot be told, or it is neither, or a link that leads nowhere.
    """
    found = _unless_missing(path, path.stat)
    if found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        # Who opens a pipe waits for its writer, without a word.
        raise storage_error(path, OSError(errno.ESPIPE, os.strerror(errno.ESPIPE)), "read")
    return found is not None


def is_folder(path: Path) -> bool:
    """Whether there is a folder; errors as of `is_there`."""
    found = _unless_missing(path, path.stat)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _unless_missing(path: Path, read: Callable[[], T]) -> T | None:
    with storage_errors(path, "read"):
        try:
            return read()
        except FileNotFoundError:
            if _lost_link(path) is not None:
                raise
            return None


def _lost_link(path: Path) -> Path | None:
    """The link on the way to a path that leads nowhere; None if there is none."""
    # The last of the parents is the root or the current directory, which exist.
    nearest = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return None if nearest.exists() else nearest


def _owner_advice(path: Path) -> str:
    """The user to ask: the owner of the path, or of the innermost folder that can be seen."""
    for each in (path, *path.parents):
        try:
            owner = each.stat().st_uid
        except OSError:
            continue
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"user {owner}"
        what = "it" if each == path else shown(each)
        return f"{what} belongs to {name}, who can permit it"
    return "ask whom it belongs to"
