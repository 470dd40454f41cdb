"""Sentences for an operating system that refuses, and readers that take no refusal for an answer.

What may not be read is neither missing nor damaged: whoever looks for a file or a folder of a run
asks here, and gets an error where there is one that cannot be looked at.
"""

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import DataError, StorageError, shown

#: What to do about the refusals that say what is wrong.
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
    """The refusal of an operating system as our error.

    Args:
        path: what was written or read.
        error: what the system said.
        verb: what was done with it.
        advice: what to do about it; by default, that which fits a run directory.
        intact: whether there are earlier commits, which a refused one leaves as they are.
    """
    if error.errno in _FORBIDDEN:
        advice = _whose(path)
    elif error.errno == errno.ENOENT and (link := lost_link(path)) is not None:
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
    with storage_errors(path, "read"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if lost_link(path) is not None:
                raise
            return None


def names_in(folder: Path) -> list[str]:
    """The names in a folder, in no order; none where there is no folder.

    Raises:
        StorageError: it cannot be listed, or is a file, or a link that leads nowhere.
    """
    with storage_errors(folder, "read"):
        try:
            # To build a Path for every name takes longer than the listing itself.
            return os.listdir(folder)  # noqa: PTH208
        except FileNotFoundError:
            if lost_link(folder) is not None:
                raise
            return []


def enter(folder: Path) -> None:
    """Refuses a folder that may be listed, but not entered.

    Raises:
        StorageError: naming it.
    """
    with storage_errors(folder, "read"):
        os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 - a Path drops the dot


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; of a link, what it leads to.

    Raises:
        StorageError: nobody can tell, or it is a link that leads nowhere.
    """
    return _mode(path) is not None


def is_folder(path: Path) -> bool:
    """Whether there is a folder; errors as of `is_there`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def lost_link(path: Path) -> Path | None:
    """The link that leads nowhere, for which there is nothing at a path; None if there is none."""
    # The last of the parents is the root or the current directory.
    nearest = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return None if nearest.exists() else nearest


def _mode(path: Path) -> int | None:
    with storage_errors(path, "read"):
        try:
            return path.stat().st_mode
        except FileNotFoundError:
            if lost_link(path) is not None:
                raise
            return None


def _whose(path: Path) -> str:
    """To whom it belongs, or else the innermost folder on the way that can be seen."""
    for each in (path, *path.parents):
        try:
            owner = each.stat().st_uid
        except OSError:
            continue
        what = "it" if each == path else shown(each)
        return f"{what} belongs to {_user_name(owner)}, who can permit it"
    return "ask whom it belongs to"


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
