"""Writes that survive a power cut."""

import errno
import os
from pathlib import Path

from emtnas_hpc.store.paths import temporary_name
from emtnas_hpc.store.refusals import is_folder, storage_errors


def write_file(path: Path, text: str, token: str) -> None:
    """Replaces a file atomically and durably.

    Args:
        path: the file; readers see the old text or the new one, never a part.
        text: its whole content.
        token: of the writing process; the temporary file beside `path` carries it.

    Raises:
        StorageError: the disk refused; the old file is intact.
    """
    temporary = temporary_name(path, token)
    with storage_errors(path):
        try:
            write_synced(temporary, text.encode())
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
    """Waits until the content of a file, whoever wrote it, is on the disk."""
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
