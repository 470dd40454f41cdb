"""Writing so that it lasts, and one error for a disk that refuses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns what the file system says while something is written to `path` into one line."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path} ({error.strerror or error}); make room or choose another "
            "directory with --data, then repeat the command"
        ) from error


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Writes a new file whose content survives a power cut; its name needs `sync_directory`."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Makes the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
