from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths


def _write_number(n: int) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / "state.txt").write_text(f"state {n}")
        (directory / "weights").mkdir()
        (directory / "weights" / "task.bin").write_bytes(bytes([n]) * 1000)

    return write


@pytest.fixture
def write_number() -> Callable[[int], Callable[[Path], None]]:
    """Of a step: what writes its state, a text and a binary file in a folder."""
    return _write_number


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "seed 0 'q\" \n" / "seed-0")


@pytest.fixture
def claim(paths: RunPaths) -> Lease:
    return acquire(paths, this_process())


@pytest.fixture
def store(paths: RunPaths, claim: Lease) -> RunStore:
    return RunStore(paths, "search", signature="5165", claim=claim)


@pytest.fixture
def commits(store: RunStore) -> RunStore:
    """A store with the commits of steps 1, 2 and 3."""
    for step in (1, 2, 3):
        store.commit(step, _write_number(step))
    return store
