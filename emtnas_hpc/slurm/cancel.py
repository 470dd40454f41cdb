"""Cancelling jobs, and waiting until they are gone."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from getpass import getuser
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.ownership import Owner
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.jobs import JobRecord, read_flag, read_records, void_record, write_flag
from emtnas_hpc.slurm.queue import QueuedJob, read_queue
from emtnas_hpc.slurm.reconcile import own_jobs
from emtnas_hpc.slurm.slurm import Say, filesystem_now, run_command

#: Longer than a job may take to die: SLURM's KillWait is 30 s unless a site says otherwise.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.5

Clock = Callable[[], float]
Sleep = Callable[[float], None]


def cancel_and_wait(
    jobs: Sequence[QueuedJob],
    say: Say,
    *,
    patience_s: float = PATIENCE_S,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> None:
    """Cancels jobs that nobody answers for, and returns once the queue knows them no longer.

    Args:
        jobs: that are in the queue.
        say: told in single lines what is done.
        patience_s: seconds to wait.
        clock: seconds.
        sleep: waits for seconds.

    Raises:
        SchedulerError: SLURM cannot be asked, or one of them does not end.
    """
    if not jobs:
        return
    names = {job.name for job in jobs}
    beside: set[str] = set()

    def look() -> list[QueuedJob]:
        queue = read_queue(beside=beside).without_doubt()
        return [job for job in queue if job.name in names]

    numbers = ", ".join(f"job {job.job_id}" for job in jobs)
    say(f"cancelling what an earlier command left in the queue: {numbers}")
    left = end_jobs(
        look,
        say,
        told=jobs,
        patience_s=patience_s,
        clock=clock,
        sleep=sleep,
    )
    if left:
        raise SchedulerError(
            f"still in the queue {patience_s:.0f} s after they were cancelled: {listed(left)}; "
            "try again later"
        )


def once(say: Say, told: Iterable[str] = ()) -> Say:
    """As `say`, but no line is told twice, nor one that was told before."""
    said = set(told)

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    return say_once


def end_jobs(
    look: Callable[[], Sequence[QueuedJob]],
    say: Say,
    *,
    told: Sequence[QueuedJob] = (),
    patience_s: float = PATIENCE_S,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Sequence[QueuedJob]:
    """Cancels jobs until the queue is free of them: one that is requeued meanwhile, once more.

    Args:
        look: which of them are in the queue now.
        say: told in single lines what is done, once each.
        told: those of which that has been said.
        patience_s: seconds to wait for them to end.
        clock: seconds.
        sleep: waits for seconds.

    Returns:
        Those that are left after that time; empty if there are none.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    end = clock() + patience_s
    say = once(say, (_line(job) for job in told))
    while jobs := look():
        _scancel([job for job in jobs if job.state != "COMPLETING"], say)
        if clock() >= end:
            break
        sleep(_LOOK_EVERY_S)
    return jobs


def listed(jobs: Sequence[QueuedJob]) -> str:
    """Jobs in a message: their numbers and states."""
    return ", ".join(f"{job.job_id} ({job.state.lower()})" for job in jobs)


def _scancel(jobs: Sequence[QueuedJob], say: Say) -> None:
    """Those that wait first, in a call of their own: the end of the others lets them begin."""
    waiting = [job for job in jobs if job.state == "PENDING"]
    for group in (waiting, [job for job in jobs if job not in waiting]):
        for job in group:
            say(_line(job))
        if group:
            try:
                run_command("scancel", *(job.job_id for job in group))
            except SchedulerError as error:
                # One that ended meanwhile is refused as well; the next look tells.
                say(str(error))


def _line(job: QueuedJob) -> str:
    return f"cancelling job {job.job_id}"


_LOCK_PATIENCE_S = 30.0


def mark_cancelled(run: RunPaths, me: Owner) -> None:
    """Sets the mark of a run, with who and when, unless it is there.

    Raises:
        StorageError: the disk refused.
    """
    if read_flag(run.cancelled) is None:
        when = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        write_flag(run.cancelled, f"by {_user()} on {me.host} at {when}", me.token)


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


#: Whoever left an intent longer ago has died: many times what sbatch may take to answer.
_DEAD_AFTER_S = 300.0


def cancel_orphans(
    run: RunPaths,
    records: Sequence[JobRecord],
    orphans: Sequence[QueuedJob],
    say: Callable[[str], None],
    *,
    alone: bool,
    patience_s: float = PATIENCE_S,
) -> None:
    """Calls off jobs that nobody has the number of, and gives up the intents without an answer.

    Such a job may never be able to start: submitit brings what it runs only after the answer. The
    caller holds the lock of the run's jobs.

    Args:
        run: theirs.
        records: of the run.
        orphans: jobs of such records that are in the queue.
        say: told in single lines what is done.
        alone: whether the lock keeps others out. Where the file system has none, an intent that is
            not old may be just being answered, and is left alone with its job.
        patience_s: seconds to wait until the queue is free of them.

    Raises:
        SchedulerError: SLURM cannot be asked, or one of them does not end.
        StorageError: the disk refused.
    """
    unanswered = [record for record in records if record.open]
    if not alone:
        young = _young(run.jobs, unanswered)
        unanswered = [record for record in unanswered if record.name not in young]
        orphans = [job for job in orphans if job.name not in young]
    cancel_and_wait(orphans, say, patience_s=patience_s)
    for record in unanswered:
        void_record(run.jobs, record)
    if unanswered and alone:
        # Imports submitit.
        from emtnas_hpc.slurm.submit import remove_leftovers

        remove_leftovers(run.jobs)


def _young(jobs: JobsPaths, records: Sequence[JobRecord]) -> set[str]:
    """The names of those that somebody may be about to hear SLURM's answer to."""
    young = set()
    for record in records:
        path = jobs.record(record.intent)
        with storage_errors(path, "read"):
            age_s = filesystem_now(jobs.directory) - path.stat().st_mtime
        if age_s < _DEAD_AFTER_S:
            young.add(record.name)
    return young
