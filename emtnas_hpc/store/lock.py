"""One process at a time, by a lock that the kernel gives back when its holder dies."""

import errno
import fcntl
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import OwnedError
from emtnas_hpc.store.durable import make_directory
from emtnas_hpc.store.refusals import shown, storage_errors

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
        waiting: called once if somebody else is inside.
        patience_s: seconds to wait at most.
        clock: seconds.

    Yields:
        Whether we are surely alone: False where the file system has no locks.

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
    """Locks an open file until it is closed.

    Args:
        descriptor: of the file.
        waiting: called once if somebody else has it.
        is_over: asked whether to wait no longer.

    Returns:
        True; False where the file system has no locks; None where the waiting was over.
    """
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
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
