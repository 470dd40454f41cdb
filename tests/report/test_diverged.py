"""A training that diverged is no result: neither of a search nor of a retraining."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from command_line import run_here
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.checkpoint.paths import RECORD
from emtnas_hpc.report.comparisons import plot_fittest, plot_times
from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.search_frames import generation_frame, time_frame
from emtnas_hpc.report.searches import search_notes, search_table, search_values
from emtnas_hpc.report.stats import permutation_test
from emtnas_hpc.report.tables import build_tables
from emtnas_hpc.retraining.record import read_retraining

pytestmark = pytest.mark.slow

SINGLES = ("cifar10-single", "cifar100-single")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for variable in ("EMTNAS_RUNS", "EMTNAS_DATA", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def retrainings(tmp_path_factory):
    """Single-tasking and multi-tasking, three seeds; of multi-tasking seed 2 diverged."""
    runs = tmp_path_factory.mktemp("retrainings")
    for seed in range(3):
        for preset in SINGLES:
            make_run(runs, preset, SHORT, seed=seed)
        diverged = Retrained(lift=0.02, diverged=2 if seed == 2 else None)
        make_run(runs, "cifar", SHORT, seed=seed, retrained=diverged)
    return runs


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    """The same; in seed 1 of multi-tasking the search of cifar100 diverged."""
    runs = tmp_path_factory.mktemp("searches")
    for seed in range(3):
        for preset in SINGLES:
            make_run(runs, preset, SHORT, seed=seed)
        make_run(runs, "cifar", SHORT, seed=seed, diverged={1: 2} if seed == 1 else {})
    return runs


@pytest.fixture(scope="module")
def hopeless(tmp_path_factory):
    """Medical images, two seeds of which both diverged in their last steps, and one other row."""
    runs = tmp_path_factory.mktemp("hopeless")
    for seed in range(2):
        make_run(runs, "small-breast-single", SHORT, seed=seed, retrained=_medical(None))
        make_run(runs, "small-breast-pneumonia", SHORT, seed=seed, retrained=_medical(0))
    return runs


def _medical(diverged):
    return Retrained((1,), auc=0.91, recipe="small", channels=12, diverged=diverged)


def runs_of(folder):
    found = read_runs(sorted(folder.glob("*/seed-*")))
    assert found.problems == ()
    return found.runs


def table_of(folder, key):
    (table,) = (table for table in build_tables(runs_of(folder)) if table.key == key)
    return table


def cell_of(table, label, column):
    (row,) = [row for row in table.rows if row.ours and label in row.labels]
    return row.cells[[c.key for c in table.columns].index(column)]


def csv_of(*arguments):
    return list(csv.DictReader(io.StringIO(run_here("report", *arguments, "--format", "csv").out)))


def test_a_retraining_that_diverged_is_in_no_mean_and_no_test(retrainings):
    table = table_of(retrainings, "table3")
    cell = cell_of(table, "EMT-NAS (Ours)", "cifar10.accuracy")
    assert (cell.seeds, cell.diverged) == ((0, 1), (2,))
    baseline = cell_of(table, "Single-Tasking (Baseline)", "cifar10.accuracy")
    assert cell.test == permutation_test(cell.values, baseline.values)
    assert cell_of(table, "EMT-NAS (Ours)", "cifar10.parameters").seeds == (0, 1)


def test_how_long_its_search_took_still_counts(retrainings):
    cell = cell_of(table_of(retrainings, "table3"), "EMT-NAS (Ours)", "device_days")
    assert (cell.seeds, cell.diverged) == ((0, 1, 2), ())


def test_each_row_says_how_many_seeds_are_left_out_and_which(retrainings):
    notes = table_of(retrainings, "table3").notes
    for name in ("C-10", "C-100"):
        (note,) = (note for note in notes if f", {name}: " in note)
        assert note.endswith(f", {name}: 1 of 3 seeds diverged and is left out: seed 2.")
        assert "EMT-NAS (Ours)" in note
    assert "The retraining diverged: cifar, seed 2, cifar10 (N = 2) in epoch 2." in notes


def test_what_a_search_that_diverged_found_is_left_out_of_its_task_only(searches):
    table = table_of(searches, "table3")
    assert cell_of(table, "EMT-NAS (Ours)", "cifar100.accuracy").seeds == (0, 2)
    assert cell_of(table, "EMT-NAS (Ours)", "cifar100.accuracy").diverged == (1,)
    assert cell_of(table, "EMT-NAS (Ours)", "cifar10.accuracy").seeds == (0, 1, 2)


def test_times_of_a_search_that_diverged_do_not_count(searches):
    cell = cell_of(table_of(searches, "table3"), "EMT-NAS (Ours)", "device_days")
    assert (cell.seeds, cell.diverged) == ((0, 2), (1,))


def test_times_and_sizes_of_table_5_leave_it_out_too(tmp_path):
    for seed in range(2):
        for preset in SINGLES:
            diverged = {0: 1} if (seed, preset) == (0, "cifar10-single") else {}
            make_run(tmp_path, preset, SHORT, seed=seed, diverged=diverged)
        make_run(tmp_path, "cifar", SHORT, "search.reevaluate=false", seed=seed, name="plain")
    table = table_of(tmp_path, "table5")
    for column in ("time_total", "mean_parameters", "mean_macs"):
        cell = cell_of(table, "Single-Tasking", column)
        assert (cell.seeds, cell.diverged) == ((1,), (0,))
        assert cell_of(table, "Multi-Tasking", column).seeds == (0, 1)


def test_a_cell_of_which_all_seeds_diverged_says_so(hopeless):
    (table,) = (t for t in build_tables(runs_of(hopeless)) if t.key == "table2")
    cell = cell_of(table, "EMT-NAS", "breastmnist.accuracy")
    assert (cell.estimate, cell.diverged, cell.test, cell.best) == (None, (0, 1), None, False)
    assert cell_of(table, "EMT-NAS", "breastmnist.auc").diverged == (0, 1)
    assert any("2 of 2 seeds diverged and are left out: seeds 0, 1." in n for n in table.notes)


@pytest.mark.parametrize("name", ["screen", "markdown", "latex", "csv", "html"])
def test_no_format_has_a_number_of_what_diverged(tmp_path, name):
    for seed in range(2):
        make_run(tmp_path, "quickstart", SHORT, seed=seed, retrained=Retrained((1,), diverged=1))
    found = [r for run in runs_of(tmp_path) for r in run.retrainings]
    out = run_here("report", "--runs", tmp_path, "--format", name).out
    # Coordinates of lines are numbers as well.
    out = re.sub(r"<svg.*?</svg>", "", out, flags=re.DOTALL)
    assert "diverged" in out
    for retraining in found:
        assert f"{100 * retraining.test.accuracy:.2f}" not in out
        assert f"{100 * retraining.test.top5:.2f}" not in out
    if name in ("screen", "markdown", "html"):
        assert "diverged (2)" in out


def test_csv_has_a_column_of_the_seeds_that_diverged_only_where_there_are_any(retrainings, medical):
    lines = csv_of("--runs", retrainings)
    (line,) = (
        line
        for line in lines
        if (line["table"], line["column"]) == ("table3", "cifar10.accuracy") and line["diverged"]
    )
    assert (line["status"], line["n"], line["seeds"], line["diverged"]) == ("run", "2", "0 1", "2")
    assert "diverged" not in csv_of("--runs", medical)[0]


def test_csv_of_a_row_that_diverged_has_no_mean(hopeless):
    lines = csv_of("--runs", hopeless)
    (line,) = (
        x
        for x in lines
        if x["status"] == "diverged" and x["column"].endswith("breastmnist.accuracy")
    )
    assert (line["mean"], line["values"], line["diverged"]) == ("", "", "0 1")


def test_json_keeps_the_retraining_and_says_where_it_diverged(retrainings):
    values = json.loads(run_here("report", "--runs", retrainings, "--json").out)
    bad = [r for r in values["retrainings"] if r["diverged"]]
    assert [(r["header"]["seed"], r["diverged"]) for r in bad] == [(2, "epoch 2")] * 2
    assert {r["test"]["accuracy"] for r in bad} == {None}
    good = [r for r in values["retrainings"] if not r["diverged"]]
    assert all(0 < r["test"]["accuracy"] < 1 for r in good)
    (table,) = (t for t in values["tables"] if t["key"] == "table3")
    cells = [row["cells"].get("cifar10.accuracy", {}) for row in table["rows"]]
    assert [cell["diverged"] for cell in cells if "diverged" in cell] == [[2]]


def test_a_list_of_others_leaves_it_out_too(tmp_path):
    for seed in range(3):
        diverged = 1 if seed == 0 else None
        make_run(
            tmp_path, "quickstart", SHORT, seed=seed, retrained=Retrained((1,), diverged=diverged)
        )
    table = table_of(tmp_path, "other")
    for row in table.rows:
        assert (row.cells[0].seeds, row.cells[0].diverged) == ((1, 2), (0,))
    assert sum("1 of 3 seeds diverged and is left out: seed 0." in n for n in table.notes) == len(
        table.rows
    )


def test_only_data_sets_that_have_an_auc_can_lack_it(tmp_path):
    make_run(tmp_path, "small-breast-single", SHORT, retrained=_medical(None))
    for seed in range(3):
        retrained = Retrained((1,), on=["digits"], diverged=1 if seed == 0 else None)
        make_run(tmp_path, "quickstart", SHORT, seed=seed, retrained=retrained)
    table = table_of(tmp_path, "other")
    said = {
        row.labels[2]: [column.full(c) for column, c in zip(table.columns, row.cells, strict=True)]
        for row in table.rows
    }
    auc = [column.quantity for column in table.columns].index("auc")
    assert (said["breastmnist"][auc], said["digits"][auc]) == ("0.9100 (1)", "")
    assert len([note for note in table.notes if "diverged" in note]) == 2


def test_one_of_an_earlier_version_is_judged_by_the_same_rule(tmp_path):
    run = make_run(tmp_path, "quickstart", SHORT, retrained=Retrained((1,), diverged=2))
    (file, *_others) = sorted(run.rglob(RECORD))
    record = read_retraining(file)
    assert (record.diverged, record.test.accuracy > 0) == ("epoch 2", True)
    assert replace(record, epochs=record.epochs[:1]).diverged == "its last steps"


def test_a_search_that_diverged_is_in_no_mean_of_the_searches(searches):
    (joint,) = (e for e in experiments_of(runs_of(searches)) if e.name == "cifar")
    assert [task["diverged"] for task in search_values(joint)["tasks"]] == [[], [1]]
    table = search_table(joint)
    assert [row.cells[0].seeds for row in table.rows] == [(0, 1, 2), (0, 2)]
    assert table.diverged_notes() == ["cifar100: 1 of 3 seeds diverged and is left out: seed 1."]
    assert search_notes([joint])[-1] == (
        "The training loss diverged: cifar, seed 1, cifar100 in generation 2."
    )


def test_the_page_says_so_below_its_searches(searches):
    page = run_here("report", "--runs", searches, "--format", "html").out
    assert "cifar100: 1 of 3 seeds diverged and is left out: seed 1." in page
    assert "Diverged and left out: seed 1." in page


def test_figures_leave_it_out_and_say_so(searches):
    (joint,) = (e for e in experiments_of(runs_of(searches)) if e.name == "cifar")
    fittest, times = plot_fittest(generation_frame(joint)), plot_times(time_frame([joint]))
    assert joint.drawn_seeds == "seeds 0, 2 (n = 2)"
    assert "Seeds 0, 2 (n = 2). Diverged and left out: seed 1." in fittest.text
    assert "Diverged and left out, unless all did: cifar seed 1." in times.text


def test_where_all_diverged_figures_show_them_and_say_so(tmp_path):
    make_run(tmp_path, "cifar", SHORT, retrained=None, diverged={0: 1})
    (only,) = experiments_of(runs_of(tmp_path))
    text = plot_fittest(generation_frame(only)).text
    assert "diverged: what follows on it is noise" in text
    out = run_here("report", "--runs", tmp_path).out
    (row,) = (line for line in out.splitlines() if line.startswith("cifar10 "))
    assert row.split() == ["cifar10", *["diverged", "(1)"] * 8]


def test_searches_without_a_retraining_are_tidy_lines_of_csv(tmp_path):
    make_run(tmp_path, "cifar", SHORT, retrained=None)
    make_run(tmp_path, "cifar", SHORT, retrained=None, seed=1, until=2, diverged={1: 2})
    lines = csv_of("--runs", tmp_path)
    assert list(lines[0])[:9] == [
        *("experiment", "seed", "task", "quantity", "value", "unit", "generation"),
        *("n_generations", "diverged"),
    ]
    assert len(lines) == 2 * 2 * 11
    (line,) = (
        x
        for x in lines
        if (x["seed"], x["task"], x["quantity"]) == ("1", "cifar100", "true_fitness")
    )
    found = runs_of(tmp_path)[1].search.tasks[1].true_fitness
    assert float(line["value"]) == pytest.approx(100 * found)
    assert (line["unit"], line["generation"], line["n_generations"]) == ("%", "2", "3")
    assert line["diverged"] == "2"
    assert {x["diverged"] for x in lines if x["seed"] == "0"} == {""}


@pytest.mark.parametrize("name", ["markdown", "latex"])
def test_searches_without_a_retraining_are_a_table_of_the_text_formats(tmp_path, name):
    for seed in range(2):
        make_run(tmp_path, "quickstart", SHORT, retrained=None, seed=seed)
    screen = run_here("report", "--runs", tmp_path).out
    out = run_here("report", "--runs", tmp_path, "--format", name).out
    (row,) = (line for line in screen.splitlines() if line.startswith("digits "))
    means = re.findall(r"(\d+\.\d+) ±", row)
    assert len(means) == 8
    for mean in means:
        assert mean in out
    assert "true" in out
    assert "(2)" in out


def test_of_retrained_networks_and_searches_csv_prints_one_and_says_where_the_other_is(
    retrainings, tmp_path
):
    result = run_here("report", "--runs", retrainings, "--format", "csv")
    assert result.out.startswith("table,row,label")
    assert result.err == ("left out: how the searches went (searches.csv); --output writes both\n")
    written = run_here("report", "--runs", retrainings, "--format", "csv", "--output", tmp_path)
    assert written.out.split() == [str(tmp_path / n) for n in ("report.csv", "searches.csv")]
    assert (tmp_path / "searches.csv").read_text().startswith("experiment,seed,task,quantity,")


def test_a_table_that_is_asked_for_comes_without_searches(tmp_path):
    make_run(tmp_path, "cifar", SHORT, retrained=None)
    arguments = ("--runs", tmp_path, "--table", 3)
    assert csv_of(*arguments)[0]["table"] == "table3"
    assert "sampled %" not in run_here("report", *arguments, "--format", "markdown").out


def test_retrainings_alone_have_no_table_of_searches(tmp_path):
    directory = make_run(tmp_path, "quickstart", SHORT, retrained=Retrained((1,)))
    for file in sorted((directory / "search").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    result = run_here("report", "--runs", tmp_path, "--format", "csv")
    assert (result.out.startswith("table,row"), result.err) == (True, "")
