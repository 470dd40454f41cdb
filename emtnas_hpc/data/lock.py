"""One process at a time, so that parallel seeds do not prepare the same data set side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.data.raw import Say
from emtnas_hpc.data.refusals import storage_errors
from emtnas_hpc.store.lock import hold


@contextmanager
def exclusive(path: Path, say: Say) -> Iterator[bool]:
    """Waits until no other process is inside.

    Yields:
        Whether there is a lock: some shared file systems have none, and work goes on without.
    """

    def waiting() -> None:
        say(f"waiting for another process that is preparing the same data ({path})")

    with storage_errors(path):
        file = path.open("a")
    with file:
        yield bool(hold(file.fileno(), waiting))
