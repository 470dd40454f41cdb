import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from stand_ins import StandIns, queue_line, record_job

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.slurm.cancel import cancel_jobs, flag_cancelled
from emtnas_hpc.slurm.job_files import read_flag

pytestmark = pytest.mark.usefixtures("no_waiting")

HOLD_THE_LOCK = """
import sys, time
from pathlib import Path
from emtnas_hpc.checkpoint.atomic import exclusive
with exclusive(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "a" / "seed-0")
    run.directory.mkdir(parents=True)
    return run


def _cancel(*runs: RunPaths, flag: Callable[[], None] = lambda: None) -> list[str]:
    said: list[str] = []

    def flagged() -> Sequence[RunPaths]:
        flag()
        return runs

    lock = runs[0].jobs.lock
    with log_to(said.append):
        cancel_jobs(lock, flagged)
    return said


def test_a_mark_says_who_and_when_and_the_first_one_stands(run: RunPaths) -> None:
    me = this_process()
    flag_cancelled(run, me)
    first = read_flag(run.cancelled)
    assert first is not None
    assert f" on {me.host} at 20" in first
    flag_cancelled(run, me)
    assert read_flag(run.cancelled) == first


def test_jobs_that_wait_are_cancelled_before_the_one_that_runs(
    run: RunPaths, stand_ins: StandIns
) -> None:
    jobs = [record_job(run, job_id) for job_id in ("5", "6", "7")]
    states = ("RUNNING", "PENDING", "PENDING")
    stand_ins.queue(*map(queue_line, jobs, states))
    assert _cancel(run) == ["cancelling job 6", "cancelling job 7", "cancelling job 5"]
    assert [c for c in stand_ins.calls if "scancel" in c] == ["scancel 6 7", "scancel 5"]
    assert stand_ins.calls[-1].startswith("squeue")


def test_jobs_of_others_stay_also_if_they_have_the_number_of_one_of_ours(
    run: RunPaths, stand_ins: StandIns
) -> None:
    ours = record_job(run, "5")
    stranger = queue_line(ours, "RUNNING").replace(ours.name, "theirs")
    stand_ins.queue(stranger)
    assert _cancel(run) == []
    assert not any("scancel" in call for call in stand_ins.calls)


def test_a_job_whose_record_was_never_completed_is_found_by_its_name(
    run: RunPaths, stand_ins: StandIns
) -> None:
    intent = record_job(run, None)
    stand_ins.queue(queue_line(intent, "PENDING").replace("None", "77", 1))
    assert _cancel(run) == ["cancelling job 77"]


def test_a_run_that_never_had_a_job_needs_no_slurm(run: RunPaths, stand_ins: StandIns) -> None:
    assert _cancel(run) == []
    assert stand_ins.calls == []


def test_what_does_not_leave_the_queue_is_named(run: RunPaths, stand_ins: StandIns) -> None:
    stand_ins.queue(queue_line(record_job(run, "5"), "COMPLETING"))
    with pytest.raises(SchedulerError, match=r"still in the queue: 5 \(completing\); the run is"):
        _cancel(run)


def test_a_job_that_ended_by_itself_meanwhile_is_no_failure(
    run: RunPaths, stand_ins: StandIns
) -> None:
    stand_ins.queue(queue_line(record_job(run, "5"), "RUNNING"))
    queue = stand_ins.folder / "queue"
    stand_ins.write("scancel", f"echo > {queue}; echo 'Invalid job id specified' >&2; exit 1")
    assert _cancel(run) == ["cancelling job 5", "scancel refused: Invalid job id specified"]


def test_a_job_that_is_requeued_while_it_is_cancelled_is_cancelled_again(
    run: RunPaths, stand_ins: StandIns
) -> None:
    record = record_job(run, "5")
    stand_ins.queue(queue_line(record, "RUNNING"))
    again = stand_ins.folder / "again"
    again.write_text(queue_line(record, "PENDING", "BeginTime", restarts=1) + "\n")
    queue = stand_ins.folder / "queue"
    stand_ins.write("scancel", f"cat {again} > {queue}; echo > {again}")
    assert _cancel(run) == ["cancelling job 5"]
    assert stand_ins.calls.count("scancel 5") == 2


def test_a_scheduler_that_is_down_leaves_the_marks(run: RunPaths, stand_ins: StandIns) -> None:
    record_job(run, "5")
    with pytest.raises(SchedulerError, match="no command squeue"):
        _cancel(run, flag=lambda: flag_cancelled(run, this_process()))
    assert read_flag(run.cancelled)


def test_a_launch_that_is_under_way_is_waited_for_and_its_jobs_cancelled(
    run: RunPaths, stand_ins: StandIns
) -> None:
    lock = run.jobs.lock
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as launch:
        assert launch.stdout is not None
        assert launch.stdout.readline() == "held\n"
        marked: list[bool] = []
        said: list[str] = []

        def say(message: str) -> None:
            said.append(message)
            if "waiting" in message:
                stand_ins.queue(queue_line(record_job(run, "5"), "PENDING"))
                assert launch.stdin is not None
                launch.stdin.close()

        def mark() -> Sequence[RunPaths]:
            marked.append(run.cancelled.exists())
            return [run]

        with log_to(say):
            cancel_jobs(lock, mark)
    waiting, cancelling = said
    assert waiting == "waiting until a `launch` or `resume` of the experiment has ended"
    assert cancelling == "cancelling job 5"
    assert marked == [False]
