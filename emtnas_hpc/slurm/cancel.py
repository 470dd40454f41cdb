"""Cancelling jobs, and waiting until they are gone."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from getpass import getuser
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.ownership import Owner
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.runner.context import log_once
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    own_jobs,
    read_flag,
    read_records,
    void_record,
    write_flag,
)
from emtnas_hpc.slurm.queue import QueuedJob, read_queue
from emtnas_hpc.slurm.slurm import filesystem_now, run_command

log = logging.getLogger(__name__)

#: Longer than a job may take to die: SLURM's KillWait is 30 s unless a site says otherwise.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.5
_LOCK_PATIENCE_S = 30.0
#: A process that has left a record pending for so long is dead: sbatch answers many times faster.
_DEAD_AFTER_S = 300.0


def cancel_jobs(lock: Path, flag: Callable[[], Sequence[RunPaths]]) -> None:
    """Cancels every job of runs that carry the flag, and waits until the queue is free of them.

    Nothing is submitted meanwhile: `launch` and jobs hold the lock of the experiment to submit, and
    look at the flag once they have it.

    Args:
        lock: of the experiment's jobs.
        flag: sets the flags of all runs that are meant, and returns them; called with the lock,
            for the process that held it before may have begun further ones.

    Raises:
        OwnedError: the lock does not become free; nothing was cancelled, earlier flags stand.
        SchedulerError: SLURM cannot be asked, or jobs are left after a minute; the flags stand.
    """

    def waiting() -> None:
        log.info("waiting until a `launch` or `resume` of the experiment has ended")

    notices: set[str] = set()
    with exclusive(lock, waiting, patience_s=_LOCK_PATIENCE_S):
        runs = flag()

        def look() -> Sequence[QueuedJob]:
            records = [record for run in runs for record in read_records(run.jobs)]
            if not records:
                return ()
            queue = read_queue(notices)
            if queue.notice:
                log.info(queue.notice)
            return own_jobs(records, queue)

        left = _cancel_and_wait(look)
    if left:
        raise SchedulerError(
            f"still in the queue: {_listed(left)}; the run is marked as cancelled, so they do no "
            "more work; the same command waits for them again"
        )


def flag_cancelled(run: RunPaths, me: Owner) -> None:
    """Flags a run as cancelled, with who and when, unless it is flagged already.

    Raises:
        StorageError: the disk refused.
    """
    if read_flag(run.cancelled) is None:
        when = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        write_flag(run.cancelled, f"by {_user()} on {me.host} at {when}", me.token)


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a user id without a name
        return "somebody"


def cancel_orphans(
    run: RunPaths,
    records: Sequence[JobRecord],
    jobs: Sequence[QueuedJob],
    *,
    alone: bool,
    patience_s: float = PATIENCE_S,
) -> None:
    """Cancels orphaned jobs, and voids records that SLURM never answered.

    Such a job may never be able to start: submitit brings what it runs only after the answer. The
    caller holds the lock of the run's jobs.

    Args:
        run: theirs.
        records: of the run.
        jobs: of such records that are in the queue.
        alone: whether the lock keeps others out. Where the file system has no locks, SLURM may be
            about to answer a record that is not old, which is then left alone with its job.
        patience_s: seconds to wait until the queue is free of them.

    Raises:
        SchedulerError: SLURM cannot be asked, or one of them does not end.
        StorageError: the disk refused.
    """
    pending = [record for record in records if record.pending]
    if not alone:
        young = {record.name for record in pending if _is_young(run.jobs, record)}
        pending = [record for record in pending if record.name not in young]
        jobs = [job for job in jobs if job.name not in young]
    if jobs:
        _cancel_left_over(jobs, patience_s)
    for record in pending:
        void_record(run.jobs, record)
    if pending and alone:
        # Imports submitit.
        from emtnas_hpc.slurm.submit import remove_leftovers

        remove_leftovers(run.jobs)


def _is_young(jobs: JobsPaths, record: JobRecord) -> bool:
    path = jobs.record(record.intent)
    with storage_errors(path, "read"):
        return filesystem_now(jobs.directory) - path.stat().st_mtime < _DEAD_AFTER_S


def _cancel_left_over(jobs: Sequence[QueuedJob], patience_s: float) -> None:
    names = {job.name for job in jobs}
    notices: set[str] = set()

    def look() -> Sequence[QueuedJob]:
        queue = read_queue(notices).without_doubt()
        return [job for job in queue if job.name in names]

    numbers = ", ".join(f"job {job.job_id}" for job in jobs)
    log.info(f"cancelling what an earlier command left in the queue: {numbers}")
    if left := _cancel_and_wait(look, told=names, patience_s=patience_s):
        raise SchedulerError(
            f"still in the queue {patience_s:.0f} s after they were cancelled: {_listed(left)}; "
            "try again later"
        )


def _cancel_and_wait(
    look: Callable[[], Sequence[QueuedJob]],
    *,
    told: Collection[str] = (),
    patience_s: float = PATIENCE_S,
) -> Sequence[QueuedJob]:
    """Cancels jobs until the queue is free of them: one that is requeued meanwhile, once more.

    Args:
        look: which of them are in the queue now.
        told: names of those whose cancelling has been logged.
        patience_s: seconds to wait for them to end.

    Returns:
        Those that are left after that time.
    """
    end = time.monotonic() + patience_s
    with log_once():
        while jobs := look():
            # One that is completing is on its way out, and scancel would refuse it.
            _scancel([job for job in jobs if job.state != "COMPLETING"], told)
            if time.monotonic() >= end:
                break
            time.sleep(_LOOK_EVERY_S)
    return jobs


def _scancel(jobs: Sequence[QueuedJob], told: Collection[str]) -> None:
    """Those that wait first, in a call of their own: the end of the others lets them begin."""
    waiting = [job for job in jobs if job.state == "PENDING"]
    for group in (waiting, [job for job in jobs if job not in waiting]):
        for job in group:
            if job.name not in told:
                log.info(f"cancelling job {job.job_id}")
        if group:
            try:
                run_command("scancel", *(job.job_id for job in group))
            except SchedulerError as error:
                # One that ended meanwhile is refused as well; the next look tells.
                log.info(str(error))


def _listed(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(f"{job.job_id} ({job.state.lower()})" for job in jobs)
