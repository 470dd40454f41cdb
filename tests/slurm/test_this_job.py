import time

import pytest
from stand_ins import StandIns

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.job_files import JobRecord
from emtnas_hpc.slurm.queue import gone_jobs
from emtnas_hpc.slurm.this_job import (
    JobEnvironment,
    TimeLimit,
    job_environment,
    predecessors,
    time_limit,
)

JOB = JobEnvironment("7", "emtnas-a-s0-00000007")


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_job_is_what_its_environment_says() -> None:
    environment = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": JOB.name,
        "SLURM_RESTART_COUNT": "2",
        "SLURM_JOB_DEPENDENCY": "afterany:5,singleton",
        "SLURM_JOB_END_TIME": "1795506337",
    }
    assert job_environment(environment) == JobEnvironment(
        "7", JOB.name, 2, frozenset({"5"}), 1795506337.0
    )


def test_a_first_start_of_an_older_slurm_says_less() -> None:
    assert job_environment({"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": JOB.name}) == JOB


def test_what_is_no_job_is_refused() -> None:
    with pytest.raises(InputError, match="SLURM_JOB_ID is not set"):
        job_environment({})


@pytest.mark.parametrize("answer", ["7", None], ids=["recorded", "not recorded yet"])
def test_a_job_knows_whom_it_waited_for_by_its_record(answer: str | None) -> None:
    records = [
        JobRecord("00000004", "emtnas-a-s0-00000004", 0.0, None, "4"),
        JobRecord("00000006", "emtnas-a-s0-00000006", 1.0, None, "6"),
        JobRecord("00000007", JOB.name, 2.0, "6", answer),
        JobRecord("00000008", "emtnas-a-s0-00000008", 3.0, "7", "8"),
    ]
    assert predecessors(JOB, records) == {"6"}


def test_a_job_knows_the_whole_chain_before_it() -> None:
    chain = [("5", None), ("6", "5"), ("7", "6"), ("8", "7"), ("4", None)]
    records = [JobRecord(f"{n}", f"name {n}", 0.0, after, n) for n, after in chain]
    assert predecessors(JOB, records) == {"5", "6"}


def test_a_job_knows_whom_it_waited_for_by_slurms_word() -> None:
    assert predecessors(JobEnvironment("7", "x", dependencies=frozenset({"5"})), []) == {"5"}


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "SUSPENDED", "PENDING"])
def test_a_job_that_the_queue_knows_is_not_gone(stand_ins: StandIns, state: str) -> None:
    stand_ins.queue(f"6|name|{state}|None|0|N/A|(null)|n1|")
    assert gone_jobs(frozenset())("6") is False
    assert gone_jobs(frozenset())("16") is True


def test_a_job_that_this_one_waited_for_is_gone_without_asking(stand_ins: StandIns) -> None:
    assert gone_jobs(frozenset({"6"}))("6") is True
    assert stand_ins.calls == []


def test_where_the_queue_cannot_be_asked_nothing_is_known(stand_ins: StandIns) -> None:
    assert gone_jobs(frozenset())("6") is None


def test_a_limit_is_over_when_its_lead_time_begins() -> None:
    clock = FakeClock()
    limit = TimeLimit(clock.now + 600, 120, clock)
    assert limit.seconds_left() == 600
    assert limit.seconds_left(at=1100.0) == 500
    assert limit.fits(480)
    assert not limit.fits(481)
    clock.now += 700
    assert limit.seconds_left() == -100
    assert not limit.fits(0)


def test_without_a_limit_everything_fits() -> None:
    assert TimeLimit().fits(1e9)
    assert TimeLimit().seconds_left() is None


def _seconds_left(job: JobEnvironment, *in_queue: float | None) -> float | None:
    asked = iter(in_queue)
    return time_limit(job, 60, lambda: next(asked)).seconds_left()


def _is_about(seconds_left: float | None, expected: float) -> bool:
    return seconds_left is not None and expected - 60 < seconds_left <= expected


def test_the_queue_is_asked_for_the_end_only_where_the_environment_does_not_tell_it() -> None:
    told = JobEnvironment("7", JOB.name, end_epoch=time.time() + 1000)
    assert _is_about(_seconds_left(told), 1000)
    assert _is_about(_seconds_left(JOB, time.time() + 5000), 5000)


def test_an_end_that_has_passed_was_meant_for_another_job() -> None:
    inherited = JobEnvironment("7", JOB.name, end_epoch=time.time() - 10)
    assert _is_about(_seconds_left(inherited, time.time() + 5000), 5000)


def test_a_job_of_which_nobody_tells_the_end_has_no_limit() -> None:
    assert _seconds_left(JOB, None) is None
    assert _seconds_left(JOB, time.time() - 10) is None


@pytest.mark.parametrize("text", ["unknown", "N/A", "-1", "\u00b2", "", "9" * 5000])
def test_numbers_of_the_environment_that_are_none_are_no_harm(text: str) -> None:
    environment = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": JOB.name,
        "SLURM_RESTART_COUNT": text,
        "SLURM_JOB_END_TIME": text,
        "SLURM_JOB_DEPENDENCY": text,
    }
    job = job_environment(environment)
    assert (job.restart_count, job.end_epoch) == (0, None)
    assert _seconds_left(job, None) is None
