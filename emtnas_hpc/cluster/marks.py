"""The marks of a run directory: called off by the user, or given up after too many failures."""

from pathlib import Path

from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.refusals import storage_errors


def read_mark(path: Path) -> str | None:
    """The reason that a mark gives, on one line; None where there is no mark."""
    with storage_errors(path, "read"):
        try:
            return " ".join(path.read_text(encoding="utf-8", errors="replace").split())
        except FileNotFoundError:
            return None


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
