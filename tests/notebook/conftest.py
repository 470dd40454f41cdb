import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# `whole_runs` has the smallest run with retrainings.
sys.path.insert(0, str(Path(__file__).parents[1] / "agenda"))

from whole_runs import TINY, Told, run

from emtnas_hpc import Run, load_run
from emtnas_hpc.data import REGISTRY
from emtnas_hpc.experiment.loading import build_experiment
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.store.paths import RunPaths


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two cores are shared by all workers of a test run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A finished run with retrainings of both tasks, one and two normal cells deep."""
    directory = tmp_path_factory.mktemp("whole") / "tiny" / "seed-0"
    experiment = build_experiment(TINY, REGISTRY)
    request = SearchRequest(experiment, 0, RunPaths(directory), data_dir, "cpu", "mend it")
    run(request, Told())
    return directory


@pytest.fixture
def loaded(whole: Path) -> Run:
    return load_run(whole)


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(whole, tmp_path / "tiny" / "seed-0"))
