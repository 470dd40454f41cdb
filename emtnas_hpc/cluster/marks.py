"""The marks of a run directory: called off by the user, or given up after too many failures."""

from pathlib import Path

from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.refusals import read_if_there


def read_mark(path: Path) -> str | None:
    """The reason that a mark gives, on one line; None where there is no mark."""
    content = read_if_there(path)
    return None if content is None else " ".join(content.decode(errors="replace").split())


def write_mark(path: Path, reason: str, token: str) -> None:
    """Sets a mark, durably.

    Args:
        path: of the mark.
        reason: in words, on one line.
        token: of the writing process.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(path.parent)
    write_file(path, reason + "\n", token)
