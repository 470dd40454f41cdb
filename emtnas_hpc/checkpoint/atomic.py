"""Writes that survive a power cut, and locks that the kernel gives back."""

import errno
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_folder, storage_errors
from emtnas_hpc.checkpoint.paths import temporary_name
from emtnas_hpc.errors import OwnedError, shown


def write_file(path: Path, content: str | bytes, token: str, advice: str | None = None) -> None:
    """Replaces a file atomically and durably: readers see the old content or the new one.

    The temporary file beside it carries the token of the writing process. `advice` is what to do
    about a disk that refuses, if that is not plain from why.

    Raises:
        StorageError: the disk refused; the old file is intact.
    """
    temporary = temporary_name(path, token)
    with storage_errors(path, advice=advice):
        try:
            write_synced(temporary, content.encode() if isinstance(content, str) else content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def write_synced(path: Path, data: bytes | memoryview) -> None:
    """Writes a file in place and waits until it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_directory(path: Path) -> None:
    """Creates a directory and its missing parents, durably; one that exists is left alone."""
    if is_folder(path):
        return
    make_directory(path.parent)
    with storage_errors(path):
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Waits until the content of a file that is there is on the disk."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Waits until the names in a directory are on the disk."""
    try:
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        # Some network file systems cannot fsync a directory; there, a rename is all there is.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_TAKEN = frozenset({errno.EACCES, errno.EAGAIN})
_LOOK_EVERY_S = 0.1


@contextmanager
def exclusive(
    path: Path,
    waiting: Callable[[], None],
    *,
    patience_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bool]:
    """Waits until no other process is inside.

    Args:
        path: the lock's file; it and its directory are created where missing, and stay.
        waiting: is called once if another process is inside.
        patience_s: seconds to wait at most.
        clock: seconds.

    Yields:
        Whether no other process can be inside: False where the file system has no locks.

    Raises:
        OwnedError: patience ran out.
        StorageError: the disk refused the file.
    """
    make_directory(path.parent)
    with storage_errors(path):
        file = path.open("a")
    with file:
        end = clock() + patience_s
        alone = hold(file.fileno(), waiting, lambda: clock() >= end)
        if alone is None:
            raise OwnedError(
                f"{shown(path)} has been held by another process for more than {patience_s:.0f} s; "
                "try again once it has ended"
            )
        yield alone


def hold(
    descriptor: int,
    waiting: Callable[[], None],
    is_over: Callable[[], bool] = lambda: False,
) -> bool | None:
    """Locks an open file until it is closed; calls `waiting` once if another process holds it.

    Returns:
        True; False where the file system has no locks; None where `is_over` ended the waiting.
    """
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Any other refusal means that the file system has no locks.
            if error.errno not in _TAKEN:
                return False
            if is_over():
                return None
        else:
            return True
        if not told:
            waiting()
            told = True
        time.sleep(_LOOK_EVERY_S)
