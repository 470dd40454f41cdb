import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from stand_ins import StandIns, record_job

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from fake_runs import Retrained, make_run

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.settings.names import dump_stored, read_stored
from emtnas_hpc.slurm.estimate import work_ahead
from emtnas_hpc.slurm.reconcile import State
from emtnas_hpc.slurm.snapshot import RunSnapshot, StageProgress, read_snapshot
from emtnas_hpc.slurm.status import SeedStatus, read_status_table

SHORT = ("search.generations=3", "retraining.normal_cells=[2]", "retraining.epochs=2")
FIRST, SECOND = "retraining/cifar10-n2-long+epochs=2", "retraining/cifar100-n2-long+epochs=2"
HALF = Retrained(epochs=1, recipe="long+epochs=2")
ALL = Retrained(recipe="long+epochs=2")

SEARCHED = StageProgress("search", 300, 300, 60.0, finished=True)
TRAINED = StageProgress("a", 150, 600, 2.0)
AHEAD = StageProgress("b", 0, 600)


def _make(runs: Path, retrained: Retrained | None, seed: int = 0, until: int | None = None) -> Path:
    return make_run(runs, "cifar", *SHORT, seed=seed, until=until, retrained=retrained)


def _read(directory: Path, *asked: str) -> RunSnapshot:
    experiment = load_experiment("cifar", asked, registry=REGISTRY) if asked else None
    return read_snapshot(directory, this_process(), 0.0, experiment)


def _one(*directories: Path) -> SeedStatus:
    return read_status_table(directories).seeds[0]


def _told(run: RunSnapshot) -> list[tuple[str, int, int | None, bool]]:
    return [(stage.name, stage.step, stage.n_steps, stage.finished) for stage in run.stages]


def test_a_run_is_finished_when_its_last_retraining_is(tmp_path: Path) -> None:
    done = _read(_make(tmp_path, ALL))
    assert done.finished
    assert _told(done) == [("search", 3, 3, True), (FIRST, 2, 2, True), (SECOND, 2, 2, True)]
    assert done.active_stage.name == SECOND
    assert all(stage.test_accuracy for stage in done.stages[1:])
    assert [list(stage.accuracies) for stage in done.stages[1:]] == [["cifar10"], ["cifar100"]]


def test_a_run_whose_search_alone_is_finished_goes_on_with_its_retrainings(tmp_path: Path) -> None:
    run = _read(_make(tmp_path, None))
    assert not run.finished
    assert _told(run) == [("search", 3, 3, True), (FIRST, 0, 2, False), (SECOND, 0, 2, False)]
    assert run.active_stage.name == FIRST


def test_what_is_asked_for_now_counts_and_not_what_was_before(tmp_path: Path) -> None:
    directory = _make(tmp_path, ALL)
    assert not _read(directory, *SHORT[:1], "retraining.normal_cells=[3]").finished
    assert _read(directory, *SHORT[:1], "retraining.normal_cells=[]").finished


def test_the_stages_are_told_where_the_weights_are_elsewhere(tmp_path: Path) -> None:
    directory = _make(tmp_path, ALL)
    for weights in directory.rglob("*.pt"):
        weights.unlink()
    assert _read(directory).finished


def test_a_record_that_is_damaged_is_a_problem_of_that_stage_alone(tmp_path: Path) -> None:
    directory = _make(tmp_path, ALL)
    next((directory / FIRST).rglob("record.json")).write_text("noise")
    run = _read(directory)
    (problem,) = run.problems
    assert problem.startswith("no commit has a good record.json; the newest, ")
    assert f"{directory / FIRST}/" in problem
    assert [stage.finished for stage in run.stages] == [True, False, True]
    assert not run.finished


def test_where_the_settings_are_gone_the_search_is_all_that_is_known(tmp_path: Path) -> None:
    directory = _make(tmp_path, None)
    (directory / "experiment.toml").unlink()
    assert _told(_read(directory)) == [("search", 3, 3, True)]


def test_a_folder_for_architectures_from_elsewhere_has_no_search(tmp_path: Path) -> None:
    directory = _make(tmp_path, HALF)
    shutil.rmtree(directory / "search")
    stored = read_stored(RunPaths(directory))
    assert stored is not None
    text = dump_stored(replace(stored, signatures={}))
    (directory / "experiment.toml").write_text(text)
    run = _read(directory)
    assert [stage.name for stage in run.stages] == [FIRST, SECOND]
    assert run.search is None


def test_work_is_counted_as_far_as_it_was_measured() -> None:
    ahead = work_ahead([SEARCHED, TRAINED, AHEAD], {"search": 60.0, "a": 2.0})
    assert (ahead.seconds, ahead.unmeasured) == (900.0, ("b",))
    assert work_ahead([TRAINED, AHEAD], {"a": 2.0, "b": 1.0}).seconds == 1500.0


def test_of_what_nobody_measured_nothing_is_said() -> None:
    ahead = work_ahead([SEARCHED, AHEAD], {"search": 60.0})
    assert math.isnan(ahead.seconds)
    assert ahead.known_s == 0.0
    assert math.isnan(work_ahead([StageProgress("search")], {"search": 60.0}).seconds)


def test_status_calls_a_run_done_only_with_its_retrainings(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    assert _one(_make(tmp_path / "a", ALL)).status.state is State.DONE
    assert _one(_make(tmp_path / "b", HALF)).status.state is State.LOST
    assert _one(_make(tmp_path / "c", None)).status.state is State.LOST


def test_an_epoch_is_judged_by_the_sibling_seeds_where_it_was_not_measured(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    fresh, other = _make(tmp_path, None), _make(tmp_path, HALF, seed=1)
    alone, beside = _one(fresh), _one(fresh, other)
    assert alone.ahead.unmeasured == (FIRST, SECOND)
    assert math.isnan(alone.seconds)
    assert beside.seconds == pytest.approx(10.0)
    assert beside.ahead.seconds == pytest.approx(40.0)


def test_a_search_under_way_is_planned_with_what_follows_it_as_far_as_that_was_measured(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    fresh = _make(tmp_path, None, until=1)
    seed = _one(fresh, _make(tmp_path, HALF, seed=1))
    assert seed.run.active_stage.name == "search"
    assert seed.ahead.seconds == pytest.approx(2 * seed.seconds + 40.0)
    assert _one(fresh).ahead.unmeasured == (FIRST, SECOND)


def test_what_a_job_says_of_missing_gpus_is_seen(tmp_path: Path, stand_ins: StandIns) -> None:
    run = RunPaths(_make(tmp_path, HALF))
    record_job(run, "1")
    with Attempt(run, "77", {"job_id": "1"}) as attempt:
        attempt.event("no_gpu", message="torch sees none")
        attempt.event("committed", stage=FIRST, step=1)
    assert _read(run.directory).warning == "torch sees none"
    Attempt(run, "78", {"job_id": "2"}).close()
    assert _read(run.directory).warning == ""
