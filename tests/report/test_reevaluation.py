"""Figure 5 through the report: what selection saw of the fittest, and how good it was."""

import csv
import json
from itertools import pairwise

import pytest
from command_line import run_here
from fake_runs import SHORT, make_run

from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.page import draw_overview

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds with re-evaluation and two without, and another search without a counterpart."""
    runs = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        make_run(runs, "cifar", SHORT, seed=seed, retrained=None)
        settings = (SHORT, "search.reevaluate=false")
        make_run(runs, "cifar", *settings, seed=seed, name="plain", retrained=None)
    make_run(runs, "cifar10-single", SHORT, retrained=None)
    return runs


def expected(directory, task):
    """Both numbers of a seed, in points, from its history."""
    (run,) = read_runs([directory]).runs
    arrays = run.search.arrays
    true = 100 * arrays.generations.true_fitness[:, task]
    seen = 100 * arrays.individuals.fitness[arrays.generations.fittest[:, task]]
    drops = [max(0.0, before - after) for before, after in pairwise(true)]
    gaps = [abs(a - b) for a, b in zip(seen, true, strict=True)]
    return sum(drops) / len(drops), sum(gaps) / len(gaps)


def test_both_numbers_of_every_seed_and_task_are_in_csv_and_json(runs, tmp_path):
    assert run_here("report", "--runs", runs, "--output", tmp_path).code == 0
    lines = list(csv.DictReader((tmp_path / "searches.csv").read_text().splitlines()))
    found = {
        (line["experiment"], line["seed"], line["task"], line["quantity"]): float(line["value"])
        for line in lines
        if line["quantity"] in ("mean_drop", "mean_gap")
    }
    assert len(found) == 2 * (2 * 2 + 2 * 2 + 1)
    values = json.loads((tmp_path / "report.json").read_text())
    of_seeds = {(seed["name"], seed["seed"]): seed["tasks"] for seed in values["seeds"]}
    for name in ("cifar", "plain"):
        for seed in (0, 1):
            for number, task in enumerate(("cifar10", "cifar100")):
                both = expected(runs / name / f"seed-{seed}", number)
                keys = [(name, str(seed), task, key) for key in ("mean_drop", "mean_gap")]
                assert [found[key] for key in keys] == pytest.approx(both)
                result = of_seeds[name, seed][number]
                assert [100 * result[key] for *_, key in keys] == pytest.approx(both)


def test_means_and_deviations_are_in_every_other_format(runs, tmp_path):
    run_here("report", "--runs", runs, "--output", tmp_path)
    both = [expected(runs / "plain" / f"seed-{seed}", 0) for seed in (0, 1)]
    (drop, gap) = (
        f"{(a + b) / 2:.2f} ±{abs(a - b) / 2**0.5:.2f}" for a, b in zip(*both, strict=True)
    )
    markdown, latex, page = (
        (tmp_path / f"report.{suffix}").read_text() for suffix in ("md", "tex", "html")
    )
    assert f"{drop} (2) | {gap} (2) |" in markdown
    assert all(text.replace("±", r"$\pm$") in latex for text in (drop, gap))
    assert f"Without re-evaluation: cifar10 drop {drop}, gap {gap}" in page
    screen = run_here("report", "--runs", runs).out
    assert "drop" not in screen


def test_only_experiments_that_differ_in_re_evaluation_alone_are_put_side_by_side(runs):
    experiments = experiments_of(read_runs(sorted(runs.glob("*/seed-*"))).runs)
    drawings = draw_overview(experiments)
    assert [drawing.name for drawing in drawings] == ["times", "cifar-reevaluation"]
    for title in ("cifar10, without", "cifar10, with", "cifar100, without", "cifar100, with"):
        assert f"{title} re-evaluation" in drawings[1].svg
    assert len(draw_overview([e for e in experiments if e.name != "plain"])) == 1
