import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from emtnas_hpc.checkpoint.paths import RunPaths


@pytest.fixture(autouse=True)
def _alone(one_thread: None) -> None:
    """Every test here computes."""


@pytest.fixture(scope="session")
def whole(whole_run: RunPaths) -> RunPaths:
    return whole_run


@pytest.fixture
def copied(whole: RunPaths, tmp_path: Path) -> RunPaths:
    """The same, to be damaged."""
    directory = tmp_path / "runs" / "tiny" / "seed-0"
    shutil.copytree(whole.directory, directory)
    return RunPaths(directory)
