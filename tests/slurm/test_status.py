import math
import os
import shutil
from pathlib import Path

import pytest
from fake import commit_search
from stand_ins import StandIns, leave_owner, queue_line, record_job

from emtnas_hpc.checkpoint.ownership import read_owner
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.slurm.estimate import measure_stages
from emtnas_hpc.slurm.reconcile import State
from emtnas_hpc.slurm.snapshot import RunSnapshot, StageProgress
from emtnas_hpc.slurm.status import SeedStatus, StatusTable, read_status_table


def _run(tmp_path: Path, seed: int, until: int | None = None) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "fake" / f"seed-{seed}")
    commit_search(run.directory, seed=seed, until=until)
    return run


def _start(run: RunPaths, job_id: str | None, restart_count: int = 0, end: str = "") -> None:
    token = f"{len(run.find_attempts()):02d}"
    provenance = {"job_id": job_id, "restart_count": restart_count}
    attempt = Attempt(run, token, provenance if job_id else {})
    if end:
        attempt.event(end, error="RuntimeError: no")
    attempt.close()


def _table(*runs: RunPaths) -> StatusTable:
    return read_status_table([run.directory for run in runs])


def _one(table: StatusTable) -> SeedStatus:
    (seed,) = table.seeds
    return seed


def _snapshot(tmp_path: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in (tmp_path / "runs").rglob("*")
    }


def test_squeue_and_sacct_are_called_once_for_all_runs(tmp_path: Path, stand_ins: StandIns) -> None:
    runs = [_run(tmp_path, seed, until=2) for seed in range(4)]
    records = [record_job(run, f"{10 + seed}") for seed, run in enumerate(runs)]
    stand_ins.queue(
        queue_line(records[0], "RUNNING"), queue_line(records[1], "PENDING", "Resources")
    )
    stand_ins.write("sacct", "echo '12|FAILED'; echo '13|OUT_OF_MEMORY'")
    table = _table(*runs)
    states = [seed.status.state for seed in table.seeds]
    assert states == [State.RUNNING, State.QUEUED, State.LOST, State.LOST]
    assert "(OUT_OF_MEMORY)" in table.seeds[3].status.reason
    assert [call.split()[0] for call in stand_ins.calls] == ["squeue", "sacct"]
    assert stand_ins.calls[1].endswith("-j 12,13")
    assert table.problems == ()


def test_where_every_job_is_accounted_for_sacct_is_not_asked(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    done, running = _run(tmp_path, 0), _run(tmp_path, 1, until=2)
    record_job(done, "1")
    stand_ins.queue(queue_line(record_job(running, "2"), "RUNNING"))
    assert [s.status.state for s in _table(done, running).seeds] == [State.DONE, State.RUNNING]
    assert [call.split()[0] for call in stand_ins.calls] == ["squeue"]


def test_runs_without_jobs_are_shown_without_slurm(tmp_path: Path, stand_ins: StandIns) -> None:
    table = _table(_run(tmp_path, 0), _run(tmp_path, 1, until=2))
    assert [seed.status.state for seed in table.seeds] == [State.DONE, State.STOPPED]
    assert (table.problems, stand_ins.calls) == ((), [])


def test_without_slurm_the_directories_tell_what_they_know(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    done, other = _run(tmp_path, 0), _run(tmp_path, 1, until=2)
    for run in (done, other):
        record_job(run, "1")
    table = _table(done, other)
    assert [seed.status.state for seed in table.seeds] == [State.DONE, State.UNKNOWN]
    assert table.problems == (
        "there is no command squeue here; this must run on a node of a SLURM cluster; "
        "states are those of the run directories",
    )


def test_a_scheduler_that_is_down_is_not_asked_for_accounts(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    run = _run(tmp_path, 0, until=2)
    record_job(run, "1")
    stand_ins.write("squeue", "echo 'slurm_load_jobs error: down' >&2; exit 1")
    stand_ins.write("sacct", "echo")
    table = _table(run)
    assert _one(table).status.state is State.UNKNOWN
    assert table.problems[0].startswith("squeue refused: slurm_load_jobs error: down; states")
    assert len(stand_ins.calls) == 1


def test_a_job_is_found_by_its_name_where_its_record_has_no_id(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    run = _run(tmp_path, 0, until=2)
    intent = record_job(run, None)
    stand_ins.queue(queue_line(intent, "PENDING", "Priority").replace("None|", "77|", 1))
    status = _one(_table(run)).status
    assert status.reason == "job 77 waits for jobs of higher priority"


def test_progress_is_told_and_the_work_left_estimated(tmp_path: Path, stand_ins: StandIns) -> None:
    seed = _one(_table(_run(tmp_path, 0, until=2)))
    assert seed.run.search is not None
    assert (seed.run.search.step, seed.run.search.n_steps) == (2, 5)
    assert len(seed.run.search.accuracies) == 2
    assert seed.seconds > 0
    assert seed.ahead.seconds == pytest.approx(3 * seed.seconds)


def test_a_seed_without_a_measurement_is_judged_by_its_siblings(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    runs = [_run(tmp_path, 0, until=2), _run(tmp_path, 1, until=2)]
    shutil.rmtree(runs[1].stage("search").directory)
    first, second = _table(*runs).seeds
    assert second.seconds == first.seconds
    # Nothing says how many generations it is to reach.
    assert math.isnan(second.ahead.seconds)
    elsewhere = RunPaths(tmp_path / "runs" / "other" / "seed-0")
    elsewhere.directory.mkdir(parents=True)
    assert math.isnan(_table(runs[0], elsewhere).seeds[1].seconds)


def test_nothing_is_left_of_what_is_done(tmp_path: Path, stand_ins: StandIns) -> None:
    assert math.isnan(_one(_table(_run(tmp_path, 0))).ahead.seconds)


def test_jobs_and_requeues_are_counted_in_the_attempts_and_in_the_queue(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    run = _run(tmp_path, 0, until=2)
    records = [record_job(run, job_id) for job_id in ("1", "2", "3")]
    for job_id, restart_count in (("1", 0), ("1", 2), ("2", 0)):
        _start(run, job_id, restart_count)
    stand_ins.queue(
        queue_line(records[1], "PENDING", "BeginTime", restarts=1),
        queue_line(records[2], "PENDING", "Dependency", dependency="afterany:2"),
    )
    seed = _one(_table(run))
    assert (seed.status.state, seed.n_jobs, seed.n_requeues) == (State.REQUEUED, 2, 3)


def test_the_foreground_is_shown_as_well(tmp_path: Path, stand_ins: StandIns) -> None:
    run = _run(tmp_path, 0, until=2)
    leave_owner(run)
    _start(run, None)
    status = _one(_table(run)).status
    assert status.state is State.RUNNING
    assert f"process {os.getpid()} on" in status.reason
    leave_owner(run, pid=2**22 - 1)
    assert _one(_table(run)).status.state is State.LOST
    leave_owner(run, host="elsewhere")
    assert "on elsewhere" in _one(_table(run)).status.reason


def test_a_job_that_watched_the_foreground_of_another_machine_does_not_hide_that_it_lives(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    run = _run(tmp_path, 0, until=2)
    leave_owner(run, host="elsewhere")
    owner = read_owner(run.owner)
    assert owner is not None
    Attempt(run, owner.token, {}).close()
    stand_ins.queue()
    record_job(run, "1")
    _start(run, "1", end="left")
    first, newest = (found.path for found in run.find_attempts())
    _age(newest, 900.0)
    status = _one(_table(run)).status
    assert status.state is State.RUNNING
    assert status.reason.startswith("in the foreground: process ")
    os.utime(newest)
    _age(first, 900.0)
    assert _one(_table(run)).status.state is State.LOST


def _age(path: Path, seconds: float) -> None:
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


def test_a_damaged_run_is_named_and_the_others_are_shown(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    damaged, owned, good = (_run(tmp_path, seed, until=2) for seed in range(3))
    for state in damaged.directory.rglob("state.h5"):
        state.write_bytes(b"noise")
    owned.owner.write_text("noise")
    table = _table(damaged, owned, good)
    assert [seed.run.stages[0].step for seed in table.seeds] == [0, 2, 2]
    first, second, third = (seed.status for seed in table.seeds)
    assert [first.state, second.state] == [State.UNREADABLE, State.UNREADABLE]
    assert first.reason.startswith("no commit has a good state.h5; ")
    assert second.reason.startswith(f"{owned.owner} is not an owner record")
    assert third.state is State.STOPPED
    assert table.problems == ()


@pytest.mark.parametrize("damaged", ["cancelled", "failed", "jobs"])
def test_a_mark_or_a_job_record_that_cannot_be_read_makes_a_run_unreadable(
    tmp_path: Path, stand_ins: StandIns, damaged: str
) -> None:
    stand_ins.queue()
    run = _run(tmp_path, 0, until=2)
    record_job(run, "1")
    if damaged == "jobs":
        path = next(run.jobs.directory.glob("*.json"))
        path.write_text("noise")
    else:
        path = getattr(run, damaged)
        path.mkdir()
    table = _table(run)
    status = _one(table).status
    assert status.state is State.UNREADABLE
    assert str(path) in status.reason
    assert table.problems == ()


def test_every_problem_of_a_run_is_told_once(tmp_path: Path, stand_ins: StandIns) -> None:
    run = _run(tmp_path, 0, until=2)
    for state in run.directory.rglob("state.h5"):
        state.write_bytes(b"noise")
    run.owner.write_text("noise")
    table = _table(run)
    assert _one(table).status.reason.startswith("no commit has a good state.h5; ")
    (other,) = table.problems
    assert other.startswith(f"{run.directory}: {run.owner} is not an owner record")


def test_a_request_that_cannot_be_read_is_told_and_is_no_obstacle(
    tmp_path: Path, stand_ins: StandIns
) -> None:
    stand_ins.queue()
    run = _run(tmp_path, 0, until=2)
    record_job(run, "1")
    run.jobs.spec.write_text("noise")
    table = _table(run)
    status = _one(table).status
    assert status.state is State.LOST
    assert status.reason.endswith("`resume` goes on")
    (problem,) = table.problems
    assert "is not the job spec of a run" in problem


def test_looking_changes_nothing(tmp_path: Path, stand_ins: StandIns) -> None:
    run = _run(tmp_path, 0, until=2)
    record_job(run, "1")
    before = _snapshot(tmp_path)
    _table(run)
    assert _snapshot(tmp_path) == before


def test_marks_are_read(tmp_path: Path, stand_ins: StandIns) -> None:
    run = _run(tmp_path, 0, until=2)
    run.failed.write_text("3 starts without progress\n")
    status = _one(_table(run)).status
    assert (status.state, status.reason) == (State.FAILED, "3 starts without progress")


def test_a_seed_that_was_slow_does_not_change_what_is_expected_of_the_others() -> None:
    stages = [(StageProgress(SEARCH, seconds=seconds),) for seconds in (10.0, 12.0, 500.0)]
    runs = [RunSnapshot(RunPaths(Path(f"e/seed-{i}")), of) for i, of in enumerate(stages)]
    assert measure_stages(runs) == {SEARCH: 12.0}
