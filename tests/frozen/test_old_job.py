"""A job that was queued by an earlier version: what it unpickles must be found where it was."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from archive import unpack
from command_line import run_here
from fake_slurm import FakeSlurm
from job_process import attempt_text, send, start_job, stop
from recording import OLD_RUNS, Recording, take_queue
from shapes import shapes_of_attempts

pytestmark = pytest.mark.slow


def test_it_takes_over_from_the_killed_one_is_requeued_and_comes_to_the_end_of_a_run_of_now(
    recording: Recording,
    surroundings: pytest.MonkeyPatch,
    check_golden: Callable[[str, str], None],
) -> None:
    here = Path.cwd()
    unpack(OLD_RUNS, here)
    shutil.copytree(recording.folder / "data", here / "data")
    slurm = FakeSlurm(here.parent / "commands", surroundings)
    take_queue(slurm, here)
    run, jobs = here / "runs/launched/seed-0", here / "runs/launched/jobs/seed-0"
    assert b"emtnas_hpc.cluster.job" in (jobs / "4/4_submitted.pkl").read_bytes()

    def is_retraining() -> bool:
        text = attempt_text(run, 3)
        return text.rfind('"committed"') > text.find('"retraining/') > 0

    process = start_job(slurm, jobs, "4", after="1")
    log = jobs / "4/4_0_log.out"
    code = stop(process, is_retraining, lambda: send(run, signal.SIGUSR2), log.read_text)
    # As submitit leaves once SLURM has agreed to start the job again.
    assert code == 255, log.read_text()
    assert "scontrol requeue 4" in slurm.calls
    assert slurm.jobs["21"] == "afterany:4"

    assert start_job(slurm, jobs, "4", after="1", restarts=1).wait() == 0, log.read_text()
    assert [line for line in slurm.calls if line.startswith("scancel")] == ["scancel 21"]
    assert not (run / "owner").exists()
    finished = [stage for stage in run.glob("retraining/*") if (stage / "000004").is_dir()]
    assert (run / "search/000002").is_dir()
    assert len(finished) == 2
    if not recording.other_conditions:
        same = run_here("verify", run, recording.folder / "runs/fresh/seed-0")
        assert (same.code, len(same.out.splitlines())) == (0, 3), same
    attempts = [*run.glob("attempts/0003-*"), *run.glob("attempts/0004-*")]
    check_golden("formats/attempts-of-jobs.txt", shapes_of_attempts(attempts))
