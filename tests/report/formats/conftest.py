import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from tables_by_hand import nasty_table

from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.tables import build_tables


@pytest.fixture
def nasty():
    return nasty_table()


@pytest.fixture(scope="session")
def combinations(medical):
    """Table 2, three of its rows filled."""
    return build_tables(read_runs(sorted(medical.glob("*/seed-*"))).runs, [2])


@pytest.fixture(scope="session")
def own_study(small):
    """In the layout of Table 2, without anything of the paper's."""
    return build_tables(read_runs(sorted(small.glob("*/seed-*"))).runs)


@pytest.fixture(scope="session")
def four_rows(ablation):
    """Table 5, all of it filled."""
    return build_tables(read_runs(sorted(ablation.glob("*/seed-*"))).runs, [5])
