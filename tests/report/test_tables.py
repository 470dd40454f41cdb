import re
from dataclasses import replace
from functools import partial

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.search_frames import macs_of, mean_per_step, parameters_of
from emtnas_hpc.report.specs import NUMBERS
from emtnas_hpc.report.stats import permutation_test
from emtnas_hpc.report.tables import build_tables

pytestmark = pytest.mark.slow

DAYS = ("device_days", "without_true_fitness_days")


def tables_of(runs, numbers=None):
    found = read_runs(sorted(runs.glob("*/seed-*")))
    assert found.problems == ()
    made = build_tables(found.runs, numbers)
    return {table.key: table for table in made if not table.is_contrasts}


def cell_of(table, label, column):
    (row,) = [
        row for row in table.rows if row.ours and label in (*row.labels, table.name_of(row.labels))
    ]
    return row.cells[[c.key for c in table.columns].index(column)]


def accuracies(runs, name, stage):
    found = read_runs(sorted(runs.glob(f"{name}/seed-*"))).runs
    records = [r for run in found for r in run.retrainings]
    task, n = stage
    return tuple(
        100 * r.test.accuracy
        for r in records
        if (r.header.task, r.header.shape.n_normal) == (task, n) and not r.header.is_transfer
    )


def test_ablation_runs_fill_tables_three_and_five_and_leave_the_sweep_out(ablation):
    assert set(tables_of(ablation)) == {"table3", "table5", "other"}


def test_a_cell_is_mean_deviation_and_n_of_the_runs_of_its_row(ablation):
    cell = cell_of(tables_of(ablation)["table3"], "EMT-NAS (Ours)", "cifar10.accuracy")
    values = accuracies(ablation, "cifar", ("cifar10", 2))
    assert cell.values == values
    assert cell.seeds == (0, 1, 2, 3, 4)
    assert cell.quoted["paper"].text == "96.73 ±0.15"


def test_stacked_three_times_is_a_row_of_its_own_with_its_own_baseline(ablation):
    cell = cell_of(tables_of(ablation)["table3"], "EMT-NAS† (Ours)", "cifar100.accuracy")
    values = accuracies(ablation, "cifar", ("cifar100", 3))
    assert cell.values == values
    base = accuracies(ablation, "cifar100-single", ("cifar100", 3))
    assert cell.test == permutation_test(values, base)


def test_the_four_rows_of_the_ablation_are_told_apart_by_their_settings(ablation):
    table = tables_of(ablation)["table5"]
    names = ("cifar10-single", "cifar10-single-again", "plain", "cifar")
    for row, name in zip(table.rows, names, strict=True):
        assert row.cells[0].values == accuracies(ablation, name, ("cifar10", 2))


def test_transfer_is_what_was_found_on_the_other_task_and_retrained_on_this_one(ablation):
    table = tables_of(ablation)["table5"]
    cell = cell_of(table, "Single-Tasking", "cifar10.transfer")
    runs = read_runs(sorted(ablation.glob("cifar100-single/seed-*"))).runs
    expected = [
        100 * r.test.accuracy
        for run in runs
        for r in run.retrainings
        if (r.header.task, r.header.shape.n_normal) == ("cifar10", 2)
    ]
    assert list(cell.values) == expected
    assert cell_of(table, "Multi-Tasking", "cifar10.transfer").missing == "-"
    assert cell_of(table, "Single-Tasking+Reeval", "cifar10.transfer").missing == "not run"


#: A mini-batch takes a second; a fittest individual is measured on the ten of all validation
#: images, and a population of 20 is evaluated on one each, in a joint search for both tasks.
SECONDS = {"training": 300.0, "search": 1.0, "true_fitness": 10.0}


def with_seconds(run):
    spent = SECONDS | {"evaluation": 20.0 / len(run.tasks)}
    named = {f"seconds_{part}": value for part, value in spent.items()}
    tasks = tuple(replace(task, **named) for task in run.search.tasks)
    return replace(run, search=replace(run.search, tasks=tasks))


def test_true_fitness_is_part_of_what_a_search_costs_and_the_costs_without_it_are_beside(ablation):
    found = read_runs(sorted(ablation.glob("*/seed-*")))
    tables = build_tables([with_seconds(run) for run in found.runs])
    table3, table5 = tables[0], tables[1]

    def mean(table, label, column):
        return cell_of(table, label, column).estimate.mean

    joint = "Multi-Tasking+Reeval"
    # The paper prints -35.9; with the sampled evaluations alone half of them would be left.
    assert mean(table5, joint, "time_evaluation") == pytest.approx(100 * (40 / 60 - 1))
    assert mean(table5, joint, "without_true_fitness_evaluation") == pytest.approx(-50)
    assert mean(table5, joint, "time_total") == pytest.approx(100 * (642 / 662 - 1))
    assert mean(table5, joint, "without_true_fitness_total") == pytest.approx(100 * (622 / 642 - 1))
    assert mean(table5, joint, "time_training") == mean(table5, joint, "time_search") == 0
    days = {name: mean(table3, "EMT-NAS (Ours)", name) for name in DAYS}
    assert days == pytest.approx(dict(zip(DAYS, (642 / 86_400, 622 / 86_400), strict=True)))
    (said,) = [note for note in table5.notes if note.startswith("Without true fitness: ")]
    assert said in table3.notes


def test_times_are_changes_against_the_sum_of_the_single_tasking_runs(ablation):
    table = tables_of(ablation)["table5"]

    def seconds(name):
        runs = read_runs(sorted(ablation.glob(f"{name}/seed-*"))).runs
        return [sum(task.seconds_training for task in run.search.tasks) for run in runs]

    singles = zip(seconds("cifar10-single"), seconds("cifar100-single"), strict=True)
    base = sum(map(sum, singles)) / 5
    cell = cell_of(table, "Multi-Tasking+Reeval", "time_training")
    assert cell.values == pytest.approx([100 * (s / base - 1) for s in seconds("cifar")])
    own = cell_of(table, "Single-Tasking", "time_training")
    assert own.estimate.mean == pytest.approx(0, abs=1e-9)


def test_parameters_are_averaged_over_the_training_steps_in_networks_as_they_are_retrained(
    ablation,
):
    table = tables_of(ablation)["table5"]
    found = read_runs(sorted(ablation.glob("cifar/seed-*"))).runs
    cell = cell_of(table, "Multi-Tasking+Reeval", "mean_parameters")
    count = partial(parameters_of, slices="all")
    expected = [mean_per_step([run.search], count, channels=48, n_normal=2) / 1e6 for run in found]
    assert cell.values == pytest.approx(expected)
    # The paper's 1.97, and not the 0.25 of the search's own network.
    assert 1.2 < cell.estimate.mean < 3


def test_of_single_tasking_both_searches_count_by_their_steps(ablation):
    cell = cell_of(tables_of(ablation)["table5"], "Single-Tasking", "mean_macs")
    pairs = [sorted(ablation.glob(f"cifar*0-single/seed-{seed}")) for seed in range(5)]
    searches = [[run.search for run in read_runs(pair).runs] for pair in pairs]
    expected = [mean_per_step(pair, macs_of, channels=48, n_normal=2) / 1e6 for pair in searches]
    assert cell.values == pytest.approx(expected)


def test_a_transfer_is_tested_against_single_tasking_on_its_own_images(ablation):
    table = tables_of(ablation)["table5"]
    cell = cell_of(table, "Single-Tasking", "cifar10.transfer")
    own = cell_of(table, "Single-Tasking", "cifar10.accuracy")
    assert cell.test == permutation_test(cell.values, own.values)
    assert own.test is None


def test_combinations_compare_with_each_tasks_own_baseline(medical):
    table = tables_of(medical)["table2"]
    cell = cell_of(table, "row 1 EMT-NAS (Ours)", "pathmnist.accuracy")
    assert cell.values == accuracies(medical, "medmnist-path-organa", ("pathmnist", 2))
    base = accuracies(medical, "medmnist-path-single", ("pathmnist", 2))
    assert cell.test == permutation_test(cell.values, base)
    assert cell_of(table, "row 1 EMT-NAS (Ours)", "organcmnist.accuracy").missing == ""
    assert cell_of(table, "row 2 EMT-NAS (Ours)", "pathmnist.accuracy").missing == "not run"
    cell = cell_of(table, "row 11 EMT-NAS (Ours)", "pathmnist.accuracy")
    assert cell.quoted["rerun"].text == "88.60 ±3.09"


def test_a_seed_that_is_not_over_counts_nowhere_and_is_named(medical):
    table = tables_of(medical)["table2"]
    cell = cell_of(table, "row 1 EMT-NAS (Ours)", "time_total")
    assert cell.seeds == (0, 1)
    assert (
        "Not finished and left out: medmnist-path-organa seed 2 (search, generation 2 of 3)."
        in table.notes
    )


def test_a_change_of_time_needs_the_baseline(tmp_path):
    make_run(tmp_path, "medmnist-path-organa", SHORT)
    table = tables_of(tmp_path)["table2"]
    cell = cell_of(table, "row 1 EMT-NAS (Ours)", "time_total")
    assert (cell.estimate, cell.missing) == (None, "no baseline")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_table_that_is_asked_for_is_there_without_a_single_run(number):
    (table,) = build_tables((), [number])
    assert table.key == f"table{number}"
    assert {e.estimate for row in table.rows for e in row.cells} == {None}
    assert {e.missing for row in table.rows if row.ours for e in row.cells} <= {
        *("not run", "", "-")
    }


def test_random_mating_probabilities_that_the_paper_has_not_get_a_row(tmp_path):
    for rmp in (0.1, 0.7):
        make_run(tmp_path, "cifar", SHORT, f"search.rmp={rmp}", name=f"rmp{rmp}")
    table = tables_of(tmp_path)["table6"]
    assert [row.labels[0] for row in table.rows] == ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.7"]
    cell = cell_of(table, "0.7", "cifar10.validation")
    (run,) = read_runs(sorted(tmp_path.glob("rmp0.7/seed-*"))).runs
    assert cell.values == (100 * run.search.tasks[0].true_fitness,)
    assert (cell.quoted, cell.best, cell.stars) == ({}, False, 0)


def test_a_random_search_has_a_row_of_ours_below_the_search_that_costs_as_much(tmp_path):
    for preset in ("cifar", "cifar-random"):
        make_run(tmp_path, preset, SHORT, retrained=Retrained((2, 3)))
    tables = tables_of(tmp_path)
    assert set(tables) == {"table3", "table5"}
    assert [row.labels for row in tables["table3"].rows[-4:]] == [
        *(("EMT-NAS (Ours)", "EA"), ("Random search (ours)", "random")),
        *(("EMT-NAS† (Ours)", "EA"), ("Random search† (ours)", "random")),
    ]
    for label, n_normal in (("Random search (ours)", 2), ("Random search† (ours)", 3)):
        cell = cell_of(tables["table3"], label, "cifar10.accuracy")
        assert cell.values == accuracies(tmp_path, "cifar-random", ("cifar10", n_normal))
        assert cell.quoted == {}
    assert [row.labels for row in tables["table5"].rows[-2:]] == [
        *(("4", "Multi-Tasking+Reeval"), ("4r", "Random search (ours)"))
    ]
    cell = cell_of(tables["table5"], "Random search (ours)", "cifar100.accuracy")
    assert cell.values == accuracies(tmp_path, "cifar-random", ("cifar100", 2))
    for table in tables.values():
        assert len([n for n in table.notes if n.startswith("Random search (ours) is not")]) == 1


def test_a_random_search_of_the_four_medical_sets_is_a_row_of_table_2(tmp_path):
    preset = "medmnist-path-organa-organc-organs-random"
    make_run(tmp_path, preset, SHORT)
    table = tables_of(tmp_path)["table2"]
    assert [row.labels for row in table.rows[-2:]] == [
        *(("11", "4", "EMT-NAS (Ours)"), ("11r", "4", "Random search (ours)"))
    ]
    cell = cell_of(table, "Random search (ours)", "organsmnist.accuracy")
    assert cell.values == accuracies(tmp_path, preset, ("organsmnist", 2))


def test_a_random_search_for_other_tasks_is_beside_it_in_both_layouts(tmp_path):
    for name in (
        "breast-single",
        "pneumonia-single",
        "breast-pneumonia",
        "breast-pneumonia-random",
    ):
        for seed in range(2):
            make_run(tmp_path, f"small-{name}", SHORT, seed=seed, retrained=Retrained((1,)))
    tables = tables_of(tmp_path)
    assert set(tables) == {"table2", "table5"}
    assert [[row.labels[-1] for row in table.rows[-2:]] for table in tables.values()] == [
        *(["EMT-NAS", "Random search (ours)"], ["Multi-Tasking+Reeval", "Random search (ours)"])
    ]
    for table in tables.values():
        cell = cell_of(table, "Random search (ours)", "breastmnist.accuracy")
        assert cell.test is not None


def test_where_there_is_no_random_search_no_row_is_one(ablation):
    labels = [
        label for table in tables_of(ablation).values() for r in table.rows for label in r.labels
    ]
    assert not [label for label in labels if "andom" in label]


def test_other_tasks_get_the_layout_of_the_combinations_once_there_is_a_baseline(tmp_path):
    pair = 'tasks=["breastmnist", "pneumoniamnist"]'
    make_run(tmp_path, "medmnist-path-single", SHORT, 'tasks=["breastmnist"]', name="single")
    settings = (SHORT, pair, "search.reevaluate=true")
    make_run(tmp_path, "medmnist-path-single", *settings, name="pair")
    table = tables_of(tmp_path)["table2"]
    assert table.title == "Breast, Pneumonia: test accuracy after retraining"
    assert "Laid out as Table 2 of Liao, Jin, Du, CVPR 2023 (the paper)." in table.notes
    assert [row.labels for row in table.rows] == [
        *(("", "1", "Single-Tasking (Baseline)"), ("1", "2", "EMT-NAS"))
    ]
    assert table.rows[0].cells[1].missing == "not run"
    assert not [cell for row in table.rows for cell in row.cells if cell.quoted]


def test_what_was_retrained_on_imagenet_is_the_fourth_table(tmp_path):
    make_run(tmp_path, "cifar", SHORT, retrained=Retrained((2,), on=("imagenet",)))
    tables = tables_of(tmp_path)
    cell = cell_of(tables["table4"], "EMT-NAS-C-100 (Ours)", "imagenet.accuracy")
    assert cell.estimate.n == 1
    assert cell.quoted["paper"].text == "74.25"
    assert "other" not in tables


def test_two_recipes_are_two_tables_and_never_averaged(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0)
    make_run(tmp_path, "cifar", SHORT, seed=1, retrained=Retrained(recipe="table1"))
    tables = tables_of(tmp_path)
    assert set(tables) == {"table3", "table3-2"}
    for table in tables.values():
        assert cell_of(table, "EMT-NAS (Ours)", "cifar10.accuracy").estimate.n == 1


def test_other_settings_are_another_table(tmp_path):
    make_run(tmp_path, "cifar", SHORT)
    make_run(tmp_path, "cifar", SHORT, "training.batch_size=64", name="small")
    assert set(tables_of(tmp_path)) == {"table3", "table3-2", "sweep-training-batch_size"}


def test_networks_that_are_not_the_papers_fill_its_layout_without_its_numbers(tmp_path):
    for preset in ("cifar10-single", "cifar100-single"):
        settings = (SHORT, "search.reevaluate=true")
        make_run(tmp_path, preset, *settings, retrained=Retrained((1,)))
    (table,) = tables_of(tmp_path).values()
    assert (table.key, table.title[:15]) == ("table5", "C-10 and C-100:")
    assert cell_of(table, "Single-Tasking+Reeval", "cifar10.accuracy").estimate.n == 1
    assert not [cell for row in table.rows for cell in row.cells if cell.quoted]
    assert "Laid out as Table 5 of Liao, Jin, Du, CVPR 2023 (the paper)." in table.notes
    (recipe,) = [note for note in table.notes if note.startswith("Retrained with")]
    assert "48 channels, N = 1, " in recipe


def test_other_networks_leave_only_those_rows_and_columns_of_table_2_that_were_run(tmp_path):
    for name in ("path-organa", "path-single"):
        make_run(tmp_path, f"medmnist-{name}", SHORT, retrained=Retrained((1,)))
    (table,) = tables_of(tmp_path).values()
    assert [row.labels[2] for row in table.rows] == ["Single-Tasking (Baseline)", "EMT-NAS"]
    assert [c.heading for c in table.columns] == [
        *("Path (%)", "Organ_A (%)", "Total time (%)", "Total without true fitness (%)")
    ]


def test_a_sweep_of_other_networks_has_its_own_probabilities_only(tmp_path):
    for rmp in (0.1, 0.7):
        settings = (SHORT, f"search.rmp={rmp}")
        make_run(tmp_path, "cifar", *settings, name=f"rmp{rmp}", retrained=Retrained((1,)))
    (table,) = tables_of(tmp_path).values()
    assert [row.labels for row in table.rows] == [("0.1",), ("0.7",)]


def test_the_area_under_the_curve_has_columns_where_the_table_is_ones_own(tmp_path):
    pair = 'tasks=["breastmnist", "pneumoniamnist"]'
    retrained = Retrained((2,), auc=0.91)
    for seed in range(2):
        given = {"seed": seed, "retrained": retrained}
        settings = (SHORT, 'tasks=["breastmnist"]')
        make_run(tmp_path, "medmnist-path-single", *settings, name="single", **given)
        settings = (SHORT, pair, "search.reevaluate=true")
        make_run(tmp_path, "medmnist-path-single", *settings, name="pair", **given)
    table = tables_of(tmp_path)["table2"]
    cell = cell_of(table, "row 1 EMT-NAS", "breastmnist.auc")
    assert cell.values == (0.91, 0.91)
    base = cell_of(table, "Single-Tasking (Baseline)", "breastmnist.auc")
    assert cell.test == permutation_test(cell.values, base.values)


def test_small_networks_get_the_decimals_that_they_need(tmp_path):
    make_run(tmp_path, "quickstart", SHORT, retrained=Retrained((1,), channels=4))
    (table,) = tables_of(tmp_path).values()
    decimals = {column.key: column.decimals for column in table.columns}
    assert decimals["parameters"] == 3
    assert decimals["accuracy"] == 2


def test_what_fits_no_row_is_listed(tmp_path):
    for seed in range(2):
        make_run(tmp_path, "quickstart", SHORT, seed=seed, retrained=Retrained((1,)))
    (table,) = tables_of(tmp_path).values()
    assert table.key == "other"
    assert [row.labels[:4] for row in table.rows] == [
        *(("quickstart", "digits", "digits", "1"), ("quickstart", "mnist5k", "mnist5k", "1"))
    ]
    assert [c.heading for c in table.columns][:2] == ["Test (%)", "Top-5 (%)"]


def test_a_search_that_was_never_retrained_is_not_listed_there(tmp_path):
    make_run(tmp_path, "quickstart", SHORT, retrained=None)
    assert tables_of(tmp_path) == {}


def test_rows_that_would_be_called_alike_are_told_apart_by_their_signatures(tmp_path):
    for seed, dropout in enumerate(("0.1", "0.2")):
        settings = (SHORT, f"supernet.dropout={dropout}")
        make_run(
            tmp_path, "quickstart", *settings, seed=seed, name="same", retrained=Retrained((1,))
        )
    table = tables_of(tmp_path)["other"]
    assert len({row.key for row in table.rows}) == len(table.rows) == 4
    assert all(re.search(r" \[[0-9a-f]{6}\]$", row.labels[-1]) for row in table.rows)
