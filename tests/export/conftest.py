import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
# `whole_runs` has the smallest run with retrainings.
sys.path.insert(0, str(Path(__file__).parents[1] / "agenda"))

from whole_runs import TINY, Told, run

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
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A finished run with retrainings of both tasks, one and two normal cells deep."""
    directory = tmp_path_factory.mktemp("whole")
    experiment = build_experiment(TINY, REGISTRY)
    paths = RunPaths(directory / "runs" / "tiny" / "seed-0")
    run(SearchRequest(experiment, 0, paths, directory / "data", "cpu", "mend it"), Told())
    return paths


@pytest.fixture
def copied(whole: RunPaths, tmp_path: Path) -> RunPaths:
    """The same, to be damaged."""
    directory = tmp_path / "runs" / "tiny" / "seed-0"
    shutil.copytree(whole.directory, directory)
    return RunPaths(directory)
