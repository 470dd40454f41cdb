import pytest
from stand_ins import StandIns

from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.cancel import cancel_and_wait
from emtnas_hpc.slurm.queue import QueuedJob

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
    cancel_and_wait([], pytest.fail)


def _call_off(jobs: list[QueuedJob]) -> list[str]:
    said: list[str] = []
    clock = Clock()
    cancel_and_wait(jobs, said.append, clock=clock, sleep=clock.sleep)
    return said


def test_jobs_that_wait_are_cancelled_first_and_all_are_waited_for(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    said = _call_off(JOBS)
    cancelled = [call for call in stand_ins.calls if call.startswith("scancel")]
    assert cancelled == ["scancel 2", "scancel 1"]
    assert stand_ins.calls[-1].startswith("squeue")
    assert said == ["cancelling what an earlier command left in the queue: job 1, job 2"]


def test_jobs_of_other_names_are_left_alone(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES, "3|job-c|RUNNING|None|0|N/A|N/A|||gpu|")
    _call_off(JOBS)
    assert "scancel 3" not in stand_ins.calls


def test_a_job_that_ended_meanwhile_is_no_failure(stand_ins: StandIns) -> None:
    stand_ins.queue(LINES[0])
    queue = stand_ins.folder / "queue"
    stand_ins.write("scancel", f"echo > {queue}; echo 'Invalid job id specified' >&2; exit 1")
    assert _call_off(JOBS)[1:] == ["scancel refused: Invalid job id specified"]


def test_what_is_refused_again_and_again_is_said_once(stand_ins: StandIns) -> None:
    stand_ins.queue(LINES[0])
    stand_ins.write("scancel", "echo 'Access denied' >&2; exit 1")
    clock, said = Clock(), list[str]()
    with pytest.raises(SchedulerError):
        cancel_and_wait(JOBS[:1], said.append, patience_s=2, clock=clock, sleep=clock.sleep)
    assert said[1:] == ["scancel refused: Access denied"]
    assert stand_ins.calls.count("scancel 1") > 2


def test_jobs_that_do_not_end_are_named(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    stand_ins.write("scancel", "")
    with pytest.raises(SchedulerError) as refusal:
        _call_off(JOBS)
    assert str(refusal.value) == (
        "still in the queue 60 s after they were cancelled: 1 (running), 2 (pending); "
        "try again later"
    )
