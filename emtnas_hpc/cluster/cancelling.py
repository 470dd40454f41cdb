"""Calling off a seed: first its mark, so that no job of it begins again, then its jobs."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from getpass import getuser
from pathlib import Path

from emtnas_hpc.cluster.calling_off import PATIENCE_S, Clock, Sleep, end_jobs, listed, once
from emtnas_hpc.cluster.decision import own_jobs
from emtnas_hpc.cluster.marks import read_mark, write_mark
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.scheduler import Say
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.store.lock import exclusive
from emtnas_hpc.store.owner import Owner
from emtnas_hpc.store.paths import RunPaths

_LOCK_PATIENCE_S = 30.0


def mark_cancelled(run: RunPaths, me: Owner) -> None:
    """Sets the mark of a run, with who and when, unless it is there.

    Raises:
        StorageError: the disk refused.
    """
    if read_mark(run.cancelled) is None:
        when = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        write_mark(run.cancelled, f"by {_user()} on {me.host} at {when}", me.token)


def cancel_jobs(
    lock: Path,
    mark: Callable[[], Sequence[RunPaths]],
    say: Say,
    *,
    patience_s: float = PATIENCE_S,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> None:
    """Cancels every job of runs that carry the mark, and waits until the queue is free of them.

    Nothing is submitted meanwhile: whoever submits holds the lock of the experiment, and looks at
    the mark once he has it.

    Args:
        lock: of the experiment's jobs.
        mark: sets the marks of all runs that are meant, and returns them; called with the lock,
            for who held it may have begun further ones.
        say: told in single lines what is done.
        patience_s: seconds to wait for the jobs to end.
        clock: seconds.
        sleep: waits for seconds.

    Raises:
        OwnedError: somebody submits all the time; nothing was cancelled, earlier marks stand.
        SchedulerError: SLURM cannot be asked, or jobs are left after that time; the marks stand.
    """

    def waiting() -> None:
        say("waiting until a `launch` or `resume` of the experiment has ended")

    say = once(say)
    with exclusive(lock, waiting, patience_s=_LOCK_PATIENCE_S, clock=clock):
        look = partial(jobs_in_queue, mark(), say, set())
        left = end_jobs(look, say, patience_s=patience_s, clock=clock, sleep=sleep)
    if left:
        raise SchedulerError(
            f"still in the queue: {listed(left)}; the run is marked as cancelled, so they do no "
            "more work; the same command waits for them again"
        )


def jobs_in_queue(
    runs: Sequence[RunPaths], say: Say, beside: set[str] | None = None
) -> list[QueuedJob]:
    """The jobs of these runs in the queue; SLURM is asked only if they ever had any.

    Args:
        runs: theirs.
        say: told in a line of what squeue printed besides jobs.
        beside: as in `read_queue`.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    records = [record for run in runs for record in read_records(run.jobs)]
    return list(own_jobs(records, read_queue(say, beside))) if records else []


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a user id without a name
        return "somebody"
