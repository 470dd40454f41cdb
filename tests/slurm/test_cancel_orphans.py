from pathlib import Path

import pytest
from stand_ins import StandIns

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.slurm.cancel import cancel_orphans
from emtnas_hpc.slurm.queue import QueuedJob

pytestmark = pytest.mark.usefixtures("no_waiting")

JOBS = [QueuedJob("1", "job-a", "RUNNING"), QueuedJob("2", "job-b", "PENDING")]
LINES = ["1|job-a|RUNNING|None|0|N/A|||", "2|job-b|PENDING|None|0|N/A|||"]


RUN = RunPaths(Path("runs/a/seed-0"))


def _cancel(jobs: list[QueuedJob], **options: float) -> list[str]:
    said: list[str] = []
    with log_to(said.append):
        cancel_orphans(RUN, (), jobs, alone=True, **options)
    return said


def test_without_jobs_slurm_is_not_asked(stand_ins: StandIns) -> None:
    assert _cancel([]) == []
    assert stand_ins.calls == []


def test_jobs_that_wait_are_cancelled_first_and_all_are_waited_for(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    said = _cancel(JOBS)
    cancelled = [call for call in stand_ins.calls if call.startswith("scancel")]
    assert cancelled == ["scancel 2", "scancel 1"]
    assert stand_ins.calls[-1].startswith("squeue")
    assert said == ["cancelling what an earlier command left in the queue: job 1, job 2"]


def test_jobs_of_other_names_are_left_alone(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES, "3|job-c|RUNNING|None|0|N/A|||")
    _cancel(JOBS)
    assert "scancel 3" not in stand_ins.calls


def test_a_job_that_ended_meanwhile_is_no_failure(stand_ins: StandIns) -> None:
    stand_ins.queue(LINES[0])
    queue = stand_ins.folder / "queue"
    stand_ins.write("scancel", f"echo > {queue}; echo 'Invalid job id specified' >&2; exit 1")
    assert _cancel(JOBS)[1:] == ["scancel refused: Invalid job id specified"]


def test_what_is_refused_again_and_again_is_said_once(stand_ins: StandIns) -> None:
    stand_ins.queue(LINES[0])
    stand_ins.write("scancel", "echo 'Access denied' >&2; exit 1")
    said: list[str] = []
    with log_to(said.append), pytest.raises(SchedulerError):
        cancel_orphans(RUN, (), JOBS[:1], alone=True, patience_s=2)
    assert said[1:] == ["scancel refused: Access denied"]
    assert stand_ins.calls.count("scancel 1") > 2


def test_jobs_that_do_not_end_are_named(stand_ins: StandIns) -> None:
    stand_ins.queue(*LINES)
    stand_ins.write("scancel", "")
    with pytest.raises(SchedulerError) as refusal:
        _cancel(JOBS)
    assert str(refusal.value) == (
        "still in the queue 60 s after they were cancelled: 1 (running), 2 (pending); "
        "try again later"
    )
