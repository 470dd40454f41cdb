import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emtnas_hpc.data import REGISTRY
from emtnas_hpc.experiment.loading import build_experiment
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.store.paths import RunPaths

sys.path.insert(0, str(Path(__file__).parent))

from whole_runs import TINY, Told, run


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def request_in(data_dir: Path) -> Callable[..., SearchRequest]:
    """The request of the tiny run in a directory, with sections changed."""

    def make(directory: Path, **sections: dict[str, Any]) -> SearchRequest:
        table = {**TINY, **{name: {**TINY[name], **sections[name]} for name in sections}}
        experiment = build_experiment(table, REGISTRY)
        return SearchRequest(experiment, 0, RunPaths(directory), data_dir, "cpu", "mend it")

    return make


@pytest.fixture(scope="session")
def whole(
    tmp_path_factory: pytest.TempPathFactory, request_in: Callable[..., SearchRequest]
) -> RunPaths:
    """A run that came to its end without a stop."""
    request = request_in(tmp_path_factory.mktemp("whole") / "seed-0")
    run(request, Told())
    return request.paths
