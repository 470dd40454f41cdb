"""That the shipped studies fill the tables that they are named after."""

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.cli.seeds import load_named
from emtnas_hpc.report.experiments import Kind
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.specs import CIFAR, own_combinations, paper_table
from emtnas_hpc.report.tables import build_tables
from emtnas_hpc.settings.experiment import flatten, show
from emtnas_hpc.settings.presets import study_names

MEDICAL = ("breastmnist", "pneumoniamnist")

ASKED = {
    "table2": paper_table(2).kinds,
    "table3": paper_table(3).kinds | paper_table(4).kinds,
    "table5": paper_table(5).kinds,
    "table6": paper_table(6).kinds,
    "cifar-small": paper_table(5).kinds,
    "medmnist-small": own_combinations(MEDICAL, [frozenset(MEDICAL)]).kinds,
    "cifar-arms": {
        *(Kind(frozenset(CIFAR), reevaluate=True, rmp=rmp) for rmp in (0.3, 0.0)),
        Kind(frozenset(CIFAR), reevaluate=False, rmp=None, random=True),
    },
}

#: What each study of supplement E sweeps, and the paper's value among them.
SWEPT = {
    "supplement-e-population": ("search.population", (10, 20, 40), 20),
    "supplement-e-crossover": ("search.crossover_probability", (0.6, 0.8, 0.9, 1.0), 1.0),
    "supplement-e-mutation": ("search.mutation_probability", (0.01, 0.02, 0.05, 0.1), 0.02),
    "supplement-e-generations": ("search.generations", (100, 200, 300, 400), 300),
}


def experiments_of(study):
    for named in load_named(study, (), None):
        yield named.typed, named.experiment


def kind_of(experiment):
    is_random = experiment.search.strategy == "random"
    rmp = experiment.search.rmp if len(experiment.tasks) > 1 and not is_random else None
    return Kind(frozenset(experiment.tasks), experiment.search.reevaluate, rmp, is_random)


def test_every_study_is_known_to_these_tests():
    assert {*ASKED, *SWEPT} == set(study_names())


@pytest.mark.parametrize("study", ASKED)
def test_a_study_has_what_the_rows_of_its_table_ask_for_and_nothing_twice(study):
    kinds = [kind_of(experiment) for _typed, experiment in experiments_of(study)]
    assert set(kinds) == ASKED[study]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("study", SWEPT)
def test_a_study_of_the_supplement_is_a_sweep_with_a_full_table(tmp_path, study):
    setting, values, of_paper = SWEPT[study]
    for typed, experiment in experiments_of(study):
        # A generation stands for a hundred.
        generations = experiment.search.generations // 100
        settings = (*typed.overrides, f"search.generations={generations}")
        retrained = Retrained(experiment.retraining.normal_cells)
        make_run(tmp_path, typed.experiment, *settings, name=experiment.name, retrained=retrained)
        is_own = flatten(experiment)[setting] == of_paper
        assert experiment.retraining.normal_cells == ((2, 3) if is_own else (2,))
    if setting == "search.generations":
        values = tuple(value // 100 for value in values)
    runs = read_runs(sorted(tmp_path.glob("*/seed-0"))).runs
    (table,) = [t for t in build_tables(runs) if t.key.startswith("sweep-")]
    assert table.labels == (setting,)
    assert [row.labels for row in table.rows] == [(show(value),) for value in values]
    assert all(cell.n == 1 for row in table.rows for cell in row.cells)


@pytest.mark.parametrize("number", [2, 3, 5, 6])
def test_a_study_leaves_no_cell_of_its_table_empty(tmp_path, number):
    for typed, experiment in experiments_of(f"table{number}"):
        alone = len(experiment.tasks) == 1
        on = tuple(target for _found_on, target in experiment.retrained) if alone else ()
        retrained = Retrained(experiment.retraining.normal_cells, on=on)
        given = {"name": experiment.name, "retrained": retrained}
        make_run(tmp_path, typed.experiment, SHORT, *typed.overrides, **given)
    (table,) = build_tables(read_runs(sorted(tmp_path.glob("*/seed-0"))).runs, (number,))
    ours = [row for row in table.rows if row.ours]
    assert ours
    missing = {cell.missing for row in ours for cell in row.cells if cell.estimate is None}
    assert missing <= {"", "-"}


def test_table_3_needs_no_search_that_table_5_has_not():
    names = {
        study: {
            (typed.experiment, experiment.search) for typed, experiment in experiments_of(study)
        }
        for study in ("table3", "table5")
    }
    assert names["table3"] <= names["table5"]


def test_table_5_retrains_what_its_columns_show_and_no_more():
    for _typed, experiment in experiments_of("table5"):
        other = {"cifar10": "cifar100", "cifar100": "cifar10"}
        alone = len(experiment.tasks) == 1
        assert experiment.retraining.normal_cells == (2,)
        assert experiment.retraining.transfer == (
            tuple(other[task] for task in experiment.tasks) if alone else ()
        )
