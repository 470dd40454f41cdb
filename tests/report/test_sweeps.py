"""Experiments that differ in one setting: which they are, their table and their curve."""

import csv
import json
import re
from pathlib import Path

import pytest
from command_line import run_here
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.report.comparisons import is_curve, plot_sweep
from emtnas_hpc.report.experiments import ExperimentRuns, experiments_of
from emtnas_hpc.report.load import Run, read_runs
from emtnas_hpc.report.page import draw_overview
from emtnas_hpc.report.sweeps import find_sweeps
from emtnas_hpc.report.tables import build_tables, sweep_tables

BASE = {
    "tasks": ["a", "b"],
    "search.rmp": 0.3,
    "search.reevaluate": True,
    "search.population": 20,
    "task.a.pool": 1,
    "data.a": "0" * 64,
}


def experiment(name, **changes):
    settings = BASE | {key.replace("__", "."): value for key, value in changes.items()}
    run = Run(Path(name), own_tasks=("a", "b"), settings=settings)
    return ExperimentRuns(name, name, (run,), title=name, key=name)


def found(*experiments):
    """Setting, values, and names of each sweep."""
    return [
        (sweep.setting, sweep.values, [e.name for e in sweep.experiments])
        for sweep in find_sweeps(experiments)
    ]


def test_two_experiments_that_differ_in_one_setting_are_a_sweep_whatever_they_are_called():
    more = experiment("more", search__population=40)
    assert found(more, experiment("same")) == [("search.population", (20, 40), ["same", "more"])]


def test_numbers_are_in_ascending_order_and_words_in_that_of_the_alphabet():
    few, most = experiment("few", search__population=9), experiment("most", search__population=100)
    assert found(most, few, experiment("same"))[0][1] == (9, 20, 100)
    words = [experiment(word, search__mutation=word) for word in ("step", "redraw")]
    assert found(*words) == [("search.mutation", ("redraw", "step"), ["redraw", "step"])]


def test_experiments_that_differ_in_two_settings_are_none():
    assert found(experiment("x"), experiment("y", search__rmp=0.1, search__population=10)) == []


def test_two_sweeps_may_share_an_experiment():
    others = experiment("rmp", search__rmp=0.1), experiment("more", search__population=40)
    assert found(experiment("both"), *others) == [
        ("search.population", (20, 40), ["both", "more"]),
        ("search.rmp", (0.1, 0.3), ["rmp", "both"]),
    ]


def test_other_images_are_no_sweep_unless_the_setting_makes_them():
    assert found(experiment("x"), experiment("y", data__a="1" * 64)) == []
    assert found(experiment("x"), experiment("y", data__a="1" * 64, search__rmp=0.1)) == []
    pooled = experiment("pooled", data__a="1" * 64, task__a__pool=2)
    assert found(experiment("x"), pooled) == [("task.a.pool", (1, 2), ["x", "pooled"])]


def test_the_order_of_tasks_is_no_sweep_and_neither_are_runs_of_unknown_settings():
    assert found(experiment("x"), experiment("y", tasks=["b", "a"])) == []
    unknown = ExperimentRuns("u", "u", (Run(Path("u"), own_tasks=("a",)),))
    assert found(experiment("x"), unknown) == []


@pytest.fixture(scope="module")
def populations(tmp_path_factory):
    """Three populations, two seeds each; of the largest one network of a seed diverged."""
    runs = tmp_path_factory.mktemp("populations")
    for seed in range(2):
        for population in (40, 10, 20):
            diverged = 1 if (population, seed) == (40, 1) else None
            settings = (SHORT, f"search.population={population}")
            retrained = Retrained(lift=population / 1000, diverged=diverged)
            name = f"p{population}"
            make_run(runs, "cifar", *settings, seed=seed, name=name, retrained=retrained)
    return runs


def runs_of(folder, names="*"):
    return read_runs(sorted(folder.glob(f"{names}/seed-*"))).runs


def tables_of(folder):
    return {table.key: table for table in build_tables(runs_of(folder))}


def cells_of(table, column):
    return table.cells([each.key for each in table.columns].index(column))


def mean(values):
    return sum(values) / len(values)


def networks(folder, name):
    return [
        100 * r.test.accuracy
        for run in runs_of(folder, name)
        for r in run.retrainings
        if r.header.task == "cifar10" and run.is_result(r)
    ]


@pytest.mark.slow
def test_a_sweep_without_a_time_is_drawn_without_one(populations):
    table = tables_of(populations)["sweep-search-population"]
    axes = plot_sweep(table.with_columns(range(4))).figure.axes
    assert [each.get_ylabel() for each in axes] == ["validation (%)", "test (%)"]


@pytest.mark.slow
def test_a_sweep_is_a_table_of_validation_test_and_time(populations):
    table = tables_of(populations)["sweep-search-population"]
    assert table.labels == ("search.population",)
    assert table.title == "C-10 and C-100: sweep of search.population"
    assert [row.labels for row in table.rows] == [("10",), ("20",), ("40",)]
    assert [column.heading for column in table.columns] == [
        *("C-10 supernet validation (%)", "C-10 test (%)"),
        *("C-100 supernet validation (%)", "C-100 test (%)"),
        *("GPU days", "GPU days without true fitness"),
    ]
    for name, validation, test, days in zip(
        ("p10", "p20", "p40"),
        cells_of(table, "cifar10.validation"),
        cells_of(table, "cifar10.accuracy"),
        cells_of(table, "device_days"),
        strict=True,
    ):
        searches = [run.search.tasks for run in runs_of(populations, name)]
        assert validation.values == tuple(100 * found[0].true_fitness for found in searches)
        assert list(test.values) == networks(populations, name)
        seconds = [
            sum(
                getattr(task, f"seconds_{part}")
                for task in found
                for part in ("training", "evaluation", "search", "true_fitness")
            )
            for found in searches
        ]
        assert days.values == pytest.approx([each / 86_400 for each in seconds])
    (diverged,) = [note for note in table.notes if "diverged and" in note and "C-10:" in note]
    assert diverged.startswith("search.population 40, C-10: 1 of 2 seeds diverged")


@pytest.mark.slow
def test_the_notes_name_all_values_of_the_setting(populations):
    notes = " ".join(tables_of(populations)["sweep-search-population"].notes)
    assert "Searches: 3 generations, population 10 / 20 / 40, 20 channels" in notes
    assert "Retrained with recipe long" in notes


@pytest.mark.slow
def test_what_a_sweep_has_no_column_for_is_still_among_the_other_experiments(tmp_path):
    for dropout in ("0.1", "0.2"):
        settings = (SHORT, f"supernet.dropout={dropout}")
        name = f"dropout{dropout}"
        make_run(tmp_path, "quickstart", *settings, name=name, retrained=Retrained((1,)))
    tables = tables_of(tmp_path)
    assert set(tables) == {"sweep-supernet-dropout", "other"}
    assert len(tables["other"].rows) == 4
    assert "macs" in [column.key for column in tables["other"].columns]


@pytest.mark.slow
def test_each_recipe_has_a_sweep_of_its_own(tmp_path):
    for population in (10, 20):
        for recipe in ("long", "quick"):
            settings = (SHORT, f"search.population={population}")
            given = {"name": f"{recipe}{population}", "retrained": Retrained(recipe=recipe)}
            seed = 0 if recipe == "long" else 1
            make_run(tmp_path, "cifar", *settings, seed=seed, **given)
    tables = [table for key, table in tables_of(tmp_path).items() if key.startswith("sweep-")]
    assert [table.key for table in tables] == [
        *("sweep-search-population", "sweep-search-population-2")
    ]
    for seed, table in enumerate(tables):
        assert [cell.seeds for cell in cells_of(table, "cifar10.accuracy")] == [(seed,), (seed,)]


@pytest.mark.slow
def test_each_depth_has_a_sweep_of_its_own(tmp_path):
    for population in (10, 20):
        settings = (SHORT, f"search.population={population}")
        retrained = Retrained((1, 3), lift=population / 1000)
        make_run(tmp_path, "cifar", *settings, name=f"p{population}", retrained=retrained)
    tables = [table for key, table in tables_of(tmp_path).items() if key.startswith("sweep-")]
    assert [table.key for table in tables] == [
        *("sweep-search-population", "sweep-search-population-2")
    ]
    for n_normal, table in zip((1, 3), tables, strict=True):
        assert f"N = {n_normal}" in " ".join(table.notes)
        assert [row.key.rpartition(" ")[2] for row in table.rows] == [f"n{n_normal}"] * 2
        for population, cell in zip((10, 20), cells_of(table, "cifar10.accuracy"), strict=True):
            (run,) = runs_of(tmp_path, f"p{population}")
            (network,) = (
                r.test.accuracy
                for r in run.retrainings
                if (r.header.task, r.header.shape.n_normal) == ("cifar10", n_normal)
            )
            assert cell.values == (100 * network,)


@pytest.mark.slow
def test_what_table_6_has_is_a_curve_and_no_second_table(tmp_path):
    for rmp in (0.1, 0.3, 0.5):
        make_run(tmp_path, "cifar", SHORT, f"search.rmp={rmp}", name=f"rmp{rmp}")
    tables = tables_of(tmp_path)
    assert set(tables) == {"table3", "table6"}
    (curve,) = sweep_tables(experiments_of(runs_of(tmp_path)))
    by_rmp = dict(zip(("0.1", "0.3", "0.5"), cells_of(curve, "cifar100.accuracy"), strict=True))
    of_paper = dict(
        zip(
            [row.labels[0] for row in tables["table6"].rows],
            cells_of(tables["table6"], "cifar100.accuracy"),
            strict=True,
        )
    )
    assert {rmp: cell.values for rmp, cell in by_rmp.items()} == {
        rmp: of_paper[rmp].values for rmp in by_rmp
    }
    names = [drawing.name for drawing in draw_overview(experiments_of(runs_of(tmp_path)))]
    assert names == ["times", "sweep-search-rmp-curve"]


@pytest.mark.slow
def test_two_values_or_words_are_a_table_and_no_curve(tmp_path):
    for word in ("redraw", "step"):
        make_run(tmp_path, "cifar", SHORT, f"search.mutation={word}", name=word)
    table = tables_of(tmp_path)["sweep-search-mutation"]
    assert [row.labels for row in table.rows] == [("redraw",), ("step",)]
    assert not is_curve(table)
    assert len(draw_overview(experiments_of(runs_of(tmp_path)))) == 1


@pytest.mark.slow
def test_a_curve_has_the_means_and_deviations_of_its_table(populations):
    (table,) = sweep_tables(experiments_of(runs_of(populations)))
    assert is_curve(table)
    plot = plot_sweep(table)
    validation, test, time = plot.figure.axes
    for axes, quantity in ((validation, "validation"), (test, "accuracy")):
        for container, task in zip(axes.containers, ("cifar10", "cifar100"), strict=True):
            cells = cells_of(table, f"{task}.{quantity}")
            line, _caps, bars = container
            assert line.get_xdata().tolist() == [10, 20, 40]
            assert line.get_ydata().tolist() == pytest.approx([c.estimate.mean for c in cells])
            heights = [abs(top - bottom) / 2 for (_, bottom), (_, top) in bars[0].get_segments()]
            spreads = [c.estimate.std if c.n > 1 and not c.diverged else 0 for c in cells]
            assert heights == pytest.approx(spreads)
    (line, *_others), *more = time.containers
    assert more == []
    seconds = [86_400 * c.estimate.mean for c in cells_of(table, "device_days")]
    assert line.get_ydata().tolist() == pytest.approx(seconds)
    labels = [axes.get_ylabel() for axes in plot.figure.axes]
    assert labels == ["validation (%)", "test (%)", "time (s)"]
    assert time.get_xlabel() == "search.population"


@pytest.mark.slow
def test_the_report_has_a_sweep_in_every_format(populations, tmp_path):
    assert run_here("report", "--runs", populations, "--output", tmp_path).code == 0
    title = "C-10 and C-100: sweep of search.population"
    for suffix in ("md", "tex", "html"):
        assert title in (tmp_path / f"report.{suffix}").read_text()
    assert title in run_here("report", "--runs", populations).out
    lines = csv.DictReader((tmp_path / "report.csv").read_text().splitlines())
    accuracies = {
        line["row"]: float(line["mean"])
        for line in lines
        if (line["table"], line["column"]) == ("sweep-search-population", "cifar10.accuracy")
    }
    rows = [
        f"cifar10+cifar100 joint rmp=0.3 reevaluated search.population={n} n2" for n in (10, 20, 40)
    ]
    assert accuracies == pytest.approx(
        dict(zip(rows, [mean(networks(populations, f"p{n}")) for n in (10, 20, 40)], strict=True))
    )
    tables = json.loads((tmp_path / "report.json").read_text())["tables"]
    assert "sweep-search-population" in [table["key"] for table in tables]
    assert (tmp_path / "figures/sweep-search-population-curve.svg").is_file()
    ids = re.findall(r' id="([^"]*)"', (tmp_path / "report.html").read_text())
    assert {"sweep-search-population", "sweep-search-population-curve"} <= set(ids)
    assert len(ids) == len(set(ids))
