import sys
from pathlib import Path

import pytest

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.settings.loading import build_experiment

# `fake` is shared by the tests of everything that drives whole searches.
sys.path.insert(0, str(Path(__file__).parent))

#: The smallest search that has all parts: dropout, drop path, recalibration, two real data sets.
TINY = {
    "name": "tiny",
    "tasks": ["digits", "again"],
    "task": {"digits": {"padding": 1}, "again": {"source": "package:digits", "padding": 1}},
    "search": {"generations": 3, "population": 4},
    "supernet": {"channels": 4, "drop_path": 0.1, "drop_path_from": 2},
    "training": {"batch_size": 16, "batches": 3},
    "evaluation": {"batch_size": 64, "recalibration_images": 32},
    "run": {"commit_interval_s": 0.0},
}


@pytest.fixture(scope="session")
def experiment_of():
    """Builds the tiny experiment with sections changed: `experiment_of(search={"rmp": 0.0})`."""

    def build(**sections):
        table = {**TINY}
        for name, value in sections.items():
            table[name] = {**TINY.get(name, {}), **value} if isinstance(value, dict) else value
        return build_experiment(table, REGISTRY)

    return build


@pytest.fixture(scope="session")
def data_dir(shared_data):
    return shared_data
