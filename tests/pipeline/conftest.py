from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from whole_runs import request_of

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.search.spec import RunSpec


@pytest.fixture(scope="session")
def data_dir(shared_data: Path) -> Path:
    return shared_data


@pytest.fixture(scope="session")
def request_in(data_dir: Path) -> Callable[..., RunSpec]:
    """The request of the tiny run in a directory, with sections changed."""
    return partial(request_of, data=data_dir)


@pytest.fixture(scope="session")
def whole(whole_run: RunPaths) -> RunPaths:
    return whole_run
