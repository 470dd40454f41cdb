import os
from collections.abc import Callable
from pathlib import Path

import pytest
from stand_ins import StandIns, queue_line, record_job

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.slurm.job_files import JobSpec, read_records
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.standby import RETRY_S, StandbyKeeper, cancel_standby
from emtnas_hpc.slurm.this_job import JobEnvironment

REQUEST = JobSpec(profile=Profile(), data="/data", device="cpu", prepare_command="prepare it")


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "runs" / "cifar" / "seed-0")


ME = JobEnvironment("7", "a-name")


def keep_standby(run: RunPaths, report: Callable[[str], None]) -> None:
    StandbyKeeper(run, REQUEST, ME, report).ensure()


def _submissions(stand_ins: StandIns) -> list[str]:
    return [call for call in stand_ins.calls if call.startswith("sbatch")]


def test_a_job_with_nobody_behind_it_submits_its_standby_job(
    run: RunPaths, sbatch: StandIns
) -> None:
    me = record_job(run, "7")
    sbatch.queue(queue_line(me, "RUNNING"))
    said: list[str] = []
    keep_standby(run, said.append)
    standby = read_records(run.jobs)[-1]
    assert (standby.job_id, standby.after) == ("9", "7")
    assert said == ["job 9 is the standby job of this one"]


@pytest.mark.parametrize("after", ["7", None], ids=["behind this job", "independent of it"])
def test_any_job_of_the_run_that_waits_is_its_standby_job(
    run: RunPaths, sbatch: StandIns, after: str | None
) -> None:
    me, standby = record_job(run, "7"), record_job(run, "8", after)
    sbatch.queue(queue_line(me, "RUNNING"), queue_line(standby, "PENDING", "Dependency"))
    keep_standby(run, pytest.fail)
    assert _submissions(sbatch) == []


def test_a_waiting_job_whose_id_was_never_recorded_is_called_off_and_never_adopted(
    run: RunPaths, sbatch: StandIns
) -> None:
    """It may have no pickle, and then can never start."""
    me, intent = record_job(run, "7"), record_job(run, None, "7")
    line = queue_line(intent, "PENDING", "Dependency").replace("None|", "8|", 1)
    sbatch.queue(queue_line(me, "RUNNING"), line)
    said: list[str] = []
    keep_standby(run, said.append)
    assert "scancel 8" in sbatch.calls
    assert said[-1] == "job 9 is the standby job of this one"
    assert [(each.job_id, each.void) for each in read_records(run.jobs)] == [
        ("7", False),
        ("9", False),
        (None, True),
    ]


def test_a_job_whose_state_was_lost_is_no_standby_job_for_good(
    run: RunPaths, sbatch: StandIns
) -> None:
    """It may be the one before this, whose line was cut behind its name."""
    before, me = record_job(run, "6"), record_job(run, "7", "6")
    sbatch.queue(f"6|{before.name}", queue_line(me, "RUNNING"))
    said: list[str] = []
    now = [0.0]
    keeper = StandbyKeeper(run, REQUEST, ME, said.append, clock=lambda: now[0])
    keeper.ensure()
    assert _submissions(sbatch) == []
    sbatch.queue(queue_line(me, "RUNNING"))
    now[0] += RETRY_S + 1
    keeper.ensure()
    assert said[-1] == "job 9 is the standby job of this one"


@pytest.mark.parametrize("minutes", [0, 9])
def test_without_locks_a_waiting_job_is_called_off_only_once_its_author_must_be_dead(
    run: RunPaths, sbatch: StandIns, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    me, intent = record_job(run, "7"), record_job(run, None, "7")
    line = queue_line(intent, "PENDING", "Dependency").replace("None|", "8|", 1)
    sbatch.queue(queue_line(me, "RUNNING"), line)
    record = run.jobs.record(intent.intent)
    os.utime(record, (record.stat().st_atime, record.stat().st_mtime - 60 * minutes))
    keep_standby(run, lambda _: None)
    assert ("scancel 8" in sbatch.calls) == (minutes == 9)
    assert read_records(run.jobs)[-1].void == (minutes == 9)


def test_a_job_whose_own_number_was_never_recorded_records_it_and_lives(
    run: RunPaths, sbatch: StandIns
) -> None:
    me = record_job(run, None)
    sbatch.queue(queue_line(me, "RUNNING").replace("None|", "7|", 1))
    StandbyKeeper(run, REQUEST, JobEnvironment("7", me.name), lambda _: None).ensure()
    assert not any(call.startswith("scancel") for call in sbatch.calls)
    assert [each.job_id for each in read_records(run.jobs)] == ["7", "9"]


def test_a_standby_job_that_was_refused_is_tried_again_after_a_while_until_one_waits(
    run: RunPaths, sbatch: StandIns
) -> None:
    sbatch.queue(queue_line(record_job(run, "7"), "RUNNING"))
    sbatch.write("sbatch", "echo 'sbatch: error: full' >&2; exit 1")
    now, said = [0.0], list[str]()
    keeper = StandbyKeeper(run, REQUEST, ME, said.append, clock=lambda: now[0])
    for now[0] in (0.0, RETRY_S - 1, RETRY_S, RETRY_S + 1):
        keeper.ensure()
    assert len(_submissions(sbatch)) == 2
    sbatch.write("sbatch", "echo Submitted batch job 9")
    for now[0] in (2 * RETRY_S, 9 * RETRY_S):
        keeper.ensure()
    assert len(_submissions(sbatch)) == 3
    assert said == [
        "no standby job was submitted, trying again later: sbatch refused: full",
        "job 9 is the standby job of this one",
    ]


def test_only_what_waits_behind_this_job_is_cancelled_where_another_carries_the_run(
    run: RunPaths, stand_ins: StandIns
) -> None:
    jobs = [
        record_job(run, *each)
        for each in (("5", None), ("6", "5"), ("7", None), ("8", "7"), ("9", "8"))
    ]
    states = ("RUNNING", "PENDING", "RUNNING", "PENDING", "PENDING")
    stand_ins.queue(*map(queue_line, jobs, states))
    cancel_standby(run, ME, own=True)
    assert stand_ins.calls[-1] == "scancel 8 9"


def test_a_standby_job_that_was_cancelled_is_replaced(run: RunPaths, sbatch: StandIns) -> None:
    me = record_job(run, "7")
    record_job(run, "8", after="7")
    sbatch.queue(queue_line(me, "RUNNING"))
    keep_standby(run, lambda _: None)
    assert len(_submissions(sbatch)) == 1


def test_the_jobs_of_other_runs_are_no_standby_job(run: RunPaths, sbatch: StandIns) -> None:
    me = record_job(run, "7")
    other = record_job(RunPaths(run.directory.with_name("seed-1")), "8")
    sbatch.queue(queue_line(me, "RUNNING"), queue_line(other, "PENDING"))
    keep_standby(run, lambda _: None)
    assert len(_submissions(sbatch)) == 1


def test_a_run_that_was_called_off_gets_no_standby_job(run: RunPaths, sbatch: StandIns) -> None:
    sbatch.queue(queue_line(record_job(run, "7"), "RUNNING"))
    run.directory.mkdir()
    run.cancelled.write_text("by me")
    keep_standby(run, pytest.fail)
    assert _submissions(sbatch) == []


def test_an_sbatch_that_refuses_is_no_reason_to_stop(run: RunPaths, sbatch: StandIns) -> None:
    sbatch.queue(queue_line(record_job(run, "7"), "RUNNING"))
    sbatch.write("sbatch", "echo 'sbatch: error: not from a node' >&2; exit 1")
    said: list[str] = []
    keep_standby(run, said.append)
    [message] = said
    assert message.startswith("no standby job was submitted, trying again later: ")
    assert "not from a node" in message


def test_a_queue_that_cannot_be_asked_is_no_reason_to_stop(
    run: RunPaths, stand_ins: StandIns
) -> None:
    record_job(run, "7")
    said: list[str] = []
    keep_standby(run, said.append)
    with log_to(said.append):
        cancel_standby(run, ME)
    assert [message.partition(":")[0] for message in said] == [
        "no standby job was submitted, trying again later",
        "the standby job was not cancelled",
    ]


def test_the_standby_jobs_of_a_run_are_cancelled_and_no_job_that_runs(
    run: RunPaths, stand_ins: StandIns
) -> None:
    me, standby, second = record_job(run, "7"), record_job(run, "8", "7"), record_job(run, "9", "8")
    stand_ins.queue(
        queue_line(me, "RUNNING"), queue_line(standby, "PENDING"), queue_line(second, "PENDING")
    )
    said: list[str] = []
    with log_to(said.append):
        cancel_standby(run, ME)
    assert stand_ins.calls[-1] == "scancel 8 9"
    assert said == ["cancelled the standby job 8, 9"]


def test_without_standby_jobs_nothing_is_cancelled(run: RunPaths, stand_ins: StandIns) -> None:
    stand_ins.queue(queue_line(record_job(run, "7"), "RUNNING"))
    cancel_standby(run, ME)
    assert [call.split()[0] for call in stand_ins.calls] == ["squeue"]
