"""One process at a time, so that parallel seeds do not prepare the same data set side by side."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.data.raw import Say
from emtnas_hpc.data.refusals import storage_errors

_TAKEN = frozenset({errno.EACCES, errno.EAGAIN})


@contextmanager
def exclusive(path: Path, say: Say) -> Iterator[bool]:
    """Waits until no other process is inside; the kernel lets go of a process that dies.

    Yields:
        Whether there is a lock: some shared file systems have none, and work goes on without.
    """
    with storage_errors(path):
        file = path.open("a")
    with file:
        yield _lock(file.fileno(), path, say)


def _lock(descriptor: int, path: Path, say: Say) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            return False
        say(f"waiting for another process that is preparing the same data ({path})")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return True
