"""What to do when the data directory refuses."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import DataError
from emtnas_hpc.store.refusals import shown, storage_error

_ADVICE = "make room or choose another directory with --data, then repeat the command"

#: Nothing is wrong with the disk: the place is none where anything can be written.
_WRONG_PLACE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns every OSError of the block into one of ours that names `path`.

    Raises:
        DataError: nothing can be written there, whatever the disk has room for.
        StorageError: the disk refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _WRONG_PLACE:
            raise DataError(
                f"cannot write {shown(path)}: {error.strerror}; choose a directory with --data "
                "that can be written"
            ) from error
        raise storage_error(path, error, advice=_ADVICE) from error
