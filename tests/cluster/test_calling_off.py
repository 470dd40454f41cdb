import pytest
from stand_ins import StandIns

from emtnas_hpc.cluster.calling_off import call_off
from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.errors import SchedulerError

JOBS = [QueuedJob("1", "job-a", "RUNNING"), QueuedJob("2", "job-b", "PENDING")]
LINES = ["1|job-a|RUNNING|None|0|N/A|N/A|||gpu|", "2|job-b|PENDING|None|0|N/A|N/A|||gpu|"]


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_without_jobs_slurm_is_not_asked(stand_ins: StandIns) -> None:
    call_off([], pytest.fail)


def test_jobs_are_cancelled_from_the_last_to_the_first_and_waited_for(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    said: list[str] = []
    call_off(JOBS, said.append)
    assert stand_ins.calls[0] == "scancel 2 1"
    assert stand_ins.calls[1].startswith("squeue")
    assert said == ["cancelling what an earlier command left in the queue: job 1, job 2"]


def test_jobs_that_do_not_end_are_named(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    stand_ins.write("scancel", "")
    clock = Clock()
    with pytest.raises(SchedulerError) as refusal:
        call_off(JOBS, lambda _line: None, clock=clock, sleep=clock.sleep)
    assert str(refusal.value) == (
        "job 1, job 2 was cancelled 60 s ago and is still in the queue; try again later"
    )
