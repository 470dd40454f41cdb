"""That the shipped studies fill the tables that they are named after."""

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.cli.seeds import load_named
from emtnas_hpc.report.experiments import Kind
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.specs import own_combinations, paper_table
from emtnas_hpc.report.tables import build_tables
from emtnas_hpc.settings.presets import study_names

MEDICAL = ("breastmnist", "pneumoniamnist")

ASKED = {
    "table2": paper_table(2).kinds,
    "table3": paper_table(3).kinds | paper_table(4).kinds,
    "table5": paper_table(5).kinds,
    "table6": paper_table(6).kinds,
    "cifar-small": paper_table(5).kinds,
    "medmnist-small": own_combinations(MEDICAL, [frozenset(MEDICAL)]).kinds,
}


def experiments_of(study):
    for named in load_named(study, (), None):
        yield named.typed, named.experiment


def kind_of(experiment):
    rmp = experiment.search.rmp if len(experiment.tasks) > 1 else None
    return Kind(frozenset(experiment.tasks), experiment.search.reevaluate, rmp)


def test_every_study_is_known_to_these_tests():
    assert set(ASKED) == set(study_names())


@pytest.mark.parametrize("study", ASKED)
def test_a_study_has_what_the_rows_of_its_table_ask_for_and_nothing_twice(study):
    kinds = [kind_of(experiment) for _typed, experiment in experiments_of(study)]
    assert set(kinds) == ASKED[study]
    assert len(set(kinds)) == len(kinds)


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


def test_table_3_needs_nothing_that_table_5_has_not():
    names = {
        study: {
            (typed.experiment, experiment.search) for typed, experiment in experiments_of(study)
        }
        for study in ("table3", "table5")
    }
    assert names["table3"] <= names["table5"]
    depths = {
        (typed.experiment, experiment.search): experiment.retraining.normal_cells
        for typed, experiment in experiments_of("table5")
    }
    assert all((depths[key] == (2, 3)) == (key in names["table3"]) for key in depths)
