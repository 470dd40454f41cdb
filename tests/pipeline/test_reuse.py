import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.search.run_dir import find_finished, plan_search
from emtnas_hpc.search.spec import RunSpec, SearchPlan

RequestIn = Callable[..., RunSpec]


@pytest.fixture
def plan(request_in: RequestIn, tmp_path: Path) -> SearchPlan:
    """The search that `whole` has finished, called otherwise."""
    request = request_in(tmp_path / "unused")
    named = request.experiment.model_copy(update={"name": "other"})
    return plan_search(replace(request, experiment=named))


@pytest.fixture
def runs(whole: RunPaths, tmp_path: Path) -> Path:
    """Two copies of it."""
    for name in ("b", "a"):
        shutil.copytree(whole.directory, tmp_path / "runs" / name / "seed-0")
    return tmp_path / "runs"


def test_of_two_finished_copies_the_first_by_name_is_used(runs: Path, plan: SearchPlan) -> None:
    assert find_finished(runs, plan) == RunPaths(runs / "a/seed-0")


def test_where_nothing_is_nothing_is_found(tmp_path: Path, plan: SearchPlan) -> None:
    assert find_finished(tmp_path / "nowhere", plan) is None


def test_another_seed_or_setting_is_another_search(
    runs: Path, plan: SearchPlan, tmp_path: Path, request_in: RequestIn
) -> None:
    (runs / "a/seed-0").rename(runs / "a/seed-1")
    shutil.rmtree(runs / "b")
    assert find_finished(runs, replace(plan, seed=1)) is None
    (runs / "a/seed-1").rename(runs / "a/seed-0")
    other = plan_search(request_in(tmp_path / "unused", search={"rmp": 0.5}))
    assert find_finished(runs, other) is None
    assert find_finished(runs, plan) is not None


def test_the_signature_counts_that_is_computed_anew(runs: Path, plan: SearchPlan) -> None:
    file = runs / "a/seed-0/experiment.toml"
    signature = plan.identity.signature
    assert signature in file.read_text()
    file.write_text(file.read_text().replace("rmp = 0.3", "rmp = 0.4"))
    assert find_finished(runs, plan) == RunPaths(runs / "b/seed-0")


def _break_settings(run: Path) -> None:
    (run / "experiment.toml").write_bytes(b"\xff")


def _lose_settings(run: Path) -> None:
    (run / "experiment.toml").unlink()


def _replace_by_a_file(run: Path) -> None:
    shutil.rmtree(run)
    run.write_text("a file")


def _hide(run: Path) -> None:
    shutil.rmtree(run)
    run.symlink_to(run)


def _lose_the_last_generation(run: Path) -> None:
    shutil.rmtree(run / "search/000002")


def _damage_weights(run: Path) -> None:
    (file, *_) = sorted((run / "search/000002").glob("*.pt"))
    os.truncate(file, 10)


def _call_it_what_no_experiment_may_be(run: Path) -> None:
    run.parent.rename(run.parent.with_name("0 a"))


@pytest.mark.parametrize(
    "harm",
    [
        _break_settings,
        _lose_settings,
        _replace_by_a_file,
        _hide,
        _lose_the_last_generation,
        _damage_weights,
        _call_it_what_no_experiment_may_be,
    ],
)
def test_a_neighbour_that_is_not_whole_is_passed_over(
    runs: Path, plan: SearchPlan, harm: Callable[[Path], None]
) -> None:
    harm(runs / "a/seed-0")
    assert find_finished(runs, plan) == RunPaths(runs / "b/seed-0")
