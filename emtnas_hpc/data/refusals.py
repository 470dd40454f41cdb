"""What to do when the data directory refuses."""

from contextlib import AbstractContextManager
from pathlib import Path

from emtnas_hpc.store import refusals

_ADVICE = "make room or choose another directory with --data, then repeat the command"


def storage_errors(path: Path) -> AbstractContextManager[None]:
    """Turns every OSError of the block into a StorageError that names `path`."""
    return refusals.storage_errors(path, advice=_ADVICE)
