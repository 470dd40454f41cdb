import shutil
from pathlib import Path

import pytest

from emtnas_hpc.api import Run, load_run
from emtnas_hpc.checkpoint.paths import RunPaths


@pytest.fixture(autouse=True)
def _alone(one_thread: None) -> None:
    """Every test here computes."""


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
