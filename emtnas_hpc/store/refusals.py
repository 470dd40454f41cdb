"""Sentences for an operating system that refuses."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import StorageError
from emtnas_hpc.errors import shown as shown

#: What to do about the refusals that say what is wrong.
_ADVICE = {
    errno.ENOSPC: "the disk is full: make room and start again",
    errno.EDQUOT: "the quota is used up: make room and start again",
    errno.EROFS: "the file system is read-only: remount it or choose another --runs directory",
    errno.EACCES: "check the permissions of the directory",
    errno.EPERM: "check the permissions of the directory",
}


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
    reason = os.strerror(error.errno) if error.errno else str(error)
    if advice is None:
        advice = _ADVICE.get(error.errno or 0, "check the disk and start again")
    stands = " (earlier commits are intact)" if intact else ""
    return StorageError(f"cannot {verb} {shown(path)}: {reason}; {advice}{stands}")


@contextmanager
def storage_errors(path: Path, verb: str = "write", advice: str | None = None) -> Iterator[None]:
    """Turns every OSError of the block into a StorageError; arguments as in `storage_error`."""
    try:
        yield
    except OSError as error:
        raise storage_error(path, error, verb, advice) from error
