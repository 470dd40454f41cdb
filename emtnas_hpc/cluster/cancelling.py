"""Calling off a seed: first its mark, so that no job of it begins again, then its jobs."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from getpass import getuser

from emtnas_hpc.cluster.decision import own_jobs
from emtnas_hpc.cluster.marks import read_mark, write_mark
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.store.lock import exclusive
from emtnas_hpc.store.owner import Owner
from emtnas_hpc.store.paths import RunPaths

#: Longer than a job may take to die: SLURM's KillWait is 30 s by default.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 1.0
_LOCK_PATIENCE_S = 30.0

Say = Callable[[str], None]


def mark_cancelled(run: RunPaths, me: Owner) -> None:
    """Sets the mark of a run, with who and when, unless it is there.

    Raises:
        StorageError: the disk refused.
    """
    if read_mark(run.cancelled) is None:
        when = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        write_mark(run.cancelled, f"by {_user()} on {me.host} at {when}", me.token)


def cancel_jobs(
    runs: Sequence[RunPaths],
    mark: Callable[[], None],
    say: Say,
    *,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Cancels every job of runs that carry the mark, and waits until the queue is free of them.

    Nothing is submitted meanwhile: whoever submits holds the lock of the experiment, and looks at
    the mark once he has it.

    Args:
        runs: of one experiment.
        mark: sets their marks; called with the lock, for who held it may have taken them away.
        say: told in single lines what is done.
        patience_s: seconds to wait for the jobs to end.
        clock: seconds.
        sleep: waits for seconds.

    Raises:
        SchedulerError: SLURM cannot be asked, or jobs are left after that time; the marks stand.
    """

    def waiting() -> None:
        say("waiting until a `launch` or `resume` of the experiment has ended")

    with exclusive(runs[0].jobs.lock, waiting, patience_s=_LOCK_PATIENCE_S, clock=clock):
        mark()
        end = clock() + patience_s
        told: set[str] = set()
        while jobs := jobs_in_queue(runs):
            _scancel([job for job in jobs if job.state != "COMPLETING"], told, say)
            if clock() >= end:
                raise _left(jobs)
            sleep(_LOOK_EVERY_S)


def jobs_in_queue(runs: Sequence[RunPaths]) -> list[QueuedJob]:
    """The jobs of these runs in the queue; SLURM is asked only if they ever had any.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    records = [record for run in runs for record in read_records(run.jobs)]
    return list(own_jobs(records, read_queue())) if records else []


def _scancel(jobs: Sequence[QueuedJob], told: set[str], say: Say) -> None:
    """Those that wait first: the end of the others would let them begin."""
    waiting = [job for job in jobs if job.state == "PENDING"]
    for group in (waiting, [job for job in jobs if job not in waiting]):
        ids = [job.job_id for job in group]
        for job_id in ids:
            if job_id not in told:
                say(f"cancelling job {job_id}")
        told.update(ids)
        if ids:
            try:
                call("scancel", *ids)
            except SchedulerError as error:
                # One that ended meanwhile is refused as well; the next look tells.
                say(str(error))


def _left(jobs: Sequence[QueuedJob]) -> SchedulerError:
    listed = ", ".join(f"{job.job_id} ({job.state.lower()})" for job in jobs)
    return SchedulerError(
        f"still in the queue: {listed}; the run is marked as cancelled, so they do no more work; "
        "the same command waits for them again"
    )


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a user id without a name
        return "somebody"
