import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from emtnas_hpc import Run, load_run
from emtnas_hpc.store.paths import RunPaths


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two cores are shared by all workers of a test run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data_dir(shared_data: Path) -> Path:
    return shared_data


@pytest.fixture(scope="session")
def whole(whole_run: RunPaths) -> Path:
    return whole_run.directory


@pytest.fixture
def loaded(whole: Path) -> Run:
    return load_run(whole)


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "tiny" / "seed-0"))
