import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from emtnas_hpc.store.paths import RunPaths


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two cores are shared by all workers of a test run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def whole(whole_run: RunPaths) -> RunPaths:
    return whole_run


@pytest.fixture
def copied(whole: RunPaths, tmp_path: Path) -> RunPaths:
    """The same, to be damaged."""
    directory = tmp_path / "runs" / "tiny" / "seed-0"
    shutil.copytree(whole.directory, directory)
    return RunPaths(directory)
