import sys
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "seed-0")
