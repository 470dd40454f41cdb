"""Starting a job's script as SLURM would, on this machine."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fake_slurm import FakeSlurm
from programs import SRUN


def start_job(
    slurm: FakeSlurm, jobs: Path, job_id: str, *, after: str = "", restarts: int = 0
) -> "subprocess.Popen[str]":
    """The process of a job that is in the queue; what it prints is appended to its log.

    Args:
        slurm: that has the job.
        jobs: folder of the jobs of its run.
        job_id: its number.
        after: number of the job that it waited for.
        restarts: how often it was requeued.
    """
    slurm.write("srun", SRUN)
    slurm.start(job_id)
    [name] = [line.split("|")[1] for line in slurm.lines if line.split("|")[0] == job_id]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": job_id,
        "SLURM_JOB_NAME": name,
        "SLURM_RESTART_COUNT": str(restarts),
        **({"SLURM_JOB_DEPENDENCY": f"afterany:{after}"} if after else {}),
    }
    folder = jobs / job_id
    with (folder / f"{job_id}_0_log.out").open("a") as log:
        return subprocess.Popen(
            ["/bin/sh", str(folder / f"{job_id}_submission.sh")],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def stop(
    process: "subprocess.Popen[str]",
    reached: Callable[[], bool],
    act: Callable[[], None],
    tell: Callable[[], str] = str,
) -> int:
    """Acts once something is reached, and waits for the end of a process; returns its exit code."""
    while not reached():
        assert process.poll() is None, f"ended before: {tell()}"
        time.sleep(0.005)
    act()
    return process.wait()


def attempt_text(run: Path, number: int) -> str:
    """The lines of an attempt; none of one that has not begun."""
    return "".join(file.read_text() for file in run.glob(f"attempts/{number:04}-*"))


def send(run: Path, number: int) -> None:
    """Sends a signal to the process of a run's newest attempt."""
    first = max((run / "attempts").iterdir()).read_text().partition("\n")[0]
    os.kill(json.loads(first)["pid"], number)
