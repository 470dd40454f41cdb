import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from command_line import Emtnas

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from fake import commit_search
from stand_ins import StandIns, leave_owner, queue_line, record_job

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.job_files import read_flag

pytestmark = pytest.mark.slow


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(tmp_path / "commands", monkeypatch)


@pytest.fixture
def runs(here: Path, stand_ins: StandIns) -> list[RunPaths]:
    """Three seeds with a job that runs and a standby job that waits."""
    runs = [RunPaths(Path("runs/fake") / f"seed-{seed}") for seed in range(3)]
    lines = []
    for seed, run in enumerate(runs):
        commit_search(run.directory, seed=seed, until=2)
        lines.append(queue_line(record_job(run, str(10 + seed)), "RUNNING"))
        standby = record_job(run, str(20 + seed), after=str(10 + seed))
        lines.append(queue_line(standby, "PENDING", "Dependency"))
    stand_ins.queue(*lines)
    return runs


def test_a_run_is_marked_and_all_of_its_jobs_are_gone(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    result = emtnas("cancel", "fake")
    assert result.code == 0
    assert result.out.splitlines() == [f"runs/fake/seed-{seed}: cancelled" for seed in range(3)]
    assert [c for c in stand_ins.calls if "scancel" in c] == [
        "scancel 20 21 22",
        "scancel 10 11 12",
    ]
    assert "cancelling job 20" in result.err.splitlines()
    assert all(read_flag(run.cancelled) for run in runs)
    assert (stand_ins.folder / "queue").read_text() == ""


def test_one_seed_can_be_called_off_alone_and_twice(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    first = emtnas("cancel", "fake/seed-1")
    assert first.out == "runs/fake/seed-1: cancelled\n"
    mark = read_flag(runs[1].cancelled)
    again = emtnas("cancel", "fake/seed-1")
    assert (again.code, again.out, again.err) == (0, first.out, "")
    assert read_flag(runs[1].cancelled) == mark
    assert read_flag(runs[0].cancelled) is None
    assert [c for c in stand_ins.calls if "scancel" in c] == ["scancel 21", "scancel 11"]


def test_one_seed_can_be_called_off_by_any_path_to_it(
    emtnas: Emtnas, runs: list[RunPaths], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    result = emtnas("cancel", "~/runs/fake/seed-1")
    assert result.out == f"{here}/runs/fake/seed-1: cancelled\n"
    monkeypatch.chdir("runs/fake/seed-2")
    monkeypatch.setenv("EMTNAS_RUNS", str(here / "runs"))
    assert emtnas("cancel", ".").out == f"{here}/runs/fake/seed-2: cancelled\n"
    monkeypatch.chdir(here)
    assert [run.directory.name for run in runs if read_flag(run.cancelled)] == ["seed-1", "seed-2"]


def test_status_says_who_called_it_off(emtnas: Emtnas, runs: list[RunPaths]) -> None:
    emtnas("cancel", "fake/seed-1")
    assert "fake/seed-1 cancelled: by " in emtnas("status").out


def test_a_run_that_is_done_gets_no_mark_but_loses_its_standby_job(
    emtnas: Emtnas, here: Path, stand_ins: StandIns
) -> None:
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory)
    stand_ins.queue(queue_line(record_job(run, "5"), "PENDING"))
    result = emtnas("cancel", "fake")
    assert (result.code, result.out) == (0, "runs/fake/seed-0: done before, left as it is\n")
    assert "scancel 5" in stand_ins.calls
    assert read_flag(run.cancelled) is None


def test_a_search_in_the_foreground_is_left_alone_and_how_to_stop_it_is_said(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    mine = RunPaths(Path("runs/fake/seed-7"))
    commit_search(mine.directory, seed=7, until=2)
    leave_owner(mine)
    result = emtnas("cancel", "fake")
    assert result.code == 3
    assert "runs/fake/seed-7 is searched in the foreground on " in result.err
    assert result.out.count("cancelled") == 3
    assert read_flag(mine.cancelled) is None


def test_a_run_that_was_never_launched_is_left_as_it_is_without_slurm(
    emtnas: Emtnas, here: Path, stand_ins: StandIns
) -> None:
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory, until=2)
    result = emtnas("cancel", "fake")
    assert (result.code, result.err) == (0, "")
    assert result.out == "runs/fake/seed-0: never launched, left as it is\n"
    assert read_flag(run.cancelled) is None
    assert stand_ins.calls == []


def test_a_launched_run_whose_jobs_were_never_recorded_is_marked_without_slurm(
    emtnas: Emtnas, here: Path, stand_ins: StandIns
) -> None:
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory, until=2)
    run.jobs.directory.mkdir(parents=True)
    run.jobs.spec.touch()
    assert emtnas("cancel", "runs/fake/seed-0").code == 0
    assert read_flag(run.cancelled)
    assert stand_ins.calls == []


def test_a_run_in_a_job_that_was_written_by_hand_is_marked(
    emtnas: Emtnas, here: Path, stand_ins: StandIns
) -> None:
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory, until=2)
    leave_owner(run, job_id="5")
    assert emtnas("cancel", "fake").out == "runs/fake/seed-0: cancelled\n"
    assert read_flag(run.cancelled)


def test_a_launch_of_a_run_that_was_not_launched_before_is_caught_if_it_comes_between(
    emtnas: Emtnas, here: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory, until=2)

    def launch() -> None:
        stand_ins.queue(queue_line(record_job(run, "5"), "PENDING"))

    monkeypatch.setattr("emtnas_hpc.slurm.cancel.exclusive", _after(launch))
    result = emtnas("cancel", "fake")
    assert (result.code, result.out) == (0, "runs/fake/seed-0: cancelled\n")
    assert read_flag(run.cancelled)
    assert (stand_ins.folder / "queue").read_text() == ""


def test_a_seed_whose_mark_cannot_be_read_is_named_and_the_others_are_called_off(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    runs[0].cancelled.mkdir()
    result = emtnas("cancel", "fake")
    assert result.code == 1
    assert result.out.splitlines() == [f"runs/fake/seed-{seed}: cancelled" for seed in (1, 2)]
    assert "error: runs/fake/seed-0: not cancelled, its jobs left alone: cannot read" in result.err
    assert [c for c in stand_ins.calls if "scancel" in c] == ["scancel 21 22", "scancel 11 12"]


def test_a_seed_with_a_damaged_record_is_marked_and_named_and_the_others_are_called_off(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    runs[1].jobs.record("00000000").write_text("{")
    result = emtnas("cancel", "fake")
    assert result.code == 1
    assert result.out.splitlines() == [f"runs/fake/seed-{seed}: cancelled" for seed in (0, 2)]
    assert "error: runs/fake/seed-1: cancelled, its jobs left alone: " in result.err
    assert "00000000.json is not the record of a job" in result.err
    assert all(read_flag(run.cancelled) for run in runs)
    assert [c for c in stand_ins.calls if "scancel" in c] == ["scancel 20 22", "scancel 10 12"]


def test_a_scheduler_that_is_down_is_an_error_but_the_marks_stand(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    stand_ins.write("squeue", "echo 'slurm_load_jobs error: down' >&2; exit 1")
    result = emtnas("cancel", "fake")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: squeue refused: slurm_load_jobs error: down")
    assert all(read_flag(run.cancelled) for run in runs)


def test_cancel_wants_to_be_told_which_runs(emtnas: Emtnas, runs: list[RunPaths]) -> None:
    assert emtnas("cancel").code == 2
    assert emtnas("cancel", "nothing").code == 2
    assert not any(run.cancelled.exists() for run in runs)


def test_seeds_that_a_launch_adds_meanwhile_are_cancelled_as_well(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    late = RunPaths(Path("runs/fake/seed-3"))

    def release() -> None:
        late.directory.mkdir()
        line = queue_line(record_job(late, "30"), "PENDING")
        with (stand_ins.folder / "queue").open("a") as queue:
            queue.write(f"{line}\n")

    with exclusive(runs[0].jobs.lock, pytest.fail) as alone:
        assert alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("emtnas_hpc.slurm.cancel.exclusive", _after(release))
            result = emtnas("cancel", "fake")
    assert "runs/fake/seed-3: cancelled" in result.out
    assert read_flag(late.cancelled)
    assert (stand_ins.folder / "queue").read_text() == ""


def test_a_launch_that_does_not_end_is_no_success_but_the_marks_stand(
    emtnas: Emtnas, runs: list[RunPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emtnas_hpc.slurm.cancel._LOCK_PATIENCE_S", 0.0)
    with exclusive(runs[0].jobs.lock, pytest.fail):
        result = emtnas("cancel", "fake")
    assert (result.code, result.out) == (3, "")
    assert "has been held by another process" in result.err
    assert all(read_flag(run.cancelled) for run in runs)


def test_an_experiment_that_cannot_be_cancelled_does_not_keep_another_from_it(
    emtnas: Emtnas,
    runs: list[RunPaths],
    stand_ins: StandIns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = RunPaths(Path("runs/other/seed-0"))
    commit_search(other.directory, until=2)
    stand_ins.queue(queue_line(record_job(other, "30"), "RUNNING"))
    monkeypatch.setattr("emtnas_hpc.slurm.cancel._LOCK_PATIENCE_S", 0.0)
    with exclusive(runs[0].jobs.lock, pytest.fail):
        result = emtnas("cancel", "fake", "other")
    assert (result.code, result.out) == (3, "runs/other/seed-0: cancelled\n")
    assert "has been held by another process" in result.err
    assert "scancel 30" in stand_ins.calls


def test_jobs_of_a_run_that_was_deleted_are_cancelled_with_its_experiment(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    shutil.rmtree(runs[1].directory)
    assert emtnas("cancel", "fake").code == 0
    assert (stand_ins.folder / "queue").read_text() == ""


def _after(act: Callable[[], None]) -> Callable[..., AbstractContextManager[bool]]:
    """A lock that is free once something has happened."""

    @contextmanager
    def free(*_arguments: object, **_options: object) -> Iterator[bool]:
        act()
        yield True

    return free
