"""Leaving no job and no intent behind of which nobody knows what became of it."""

from collections.abc import Callable, Sequence

from emtnas_hpc.cluster.calling_off import PATIENCE_S, call_off
from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.records import JobRecord, give_up
from emtnas_hpc.cluster.server_clock import server_now
from emtnas_hpc.store.paths import JobsPaths, RunPaths
from emtnas_hpc.store.refusals import storage_errors

#: Whoever left an intent longer ago has died: many times what sbatch may take to answer.
_DEAD_AFTER_S = 300.0


def settle(
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
    call_off(orphans, say, patience_s=patience_s)
    for record in unanswered:
        give_up(run.jobs, record)
    if unanswered and alone:
        # Imports submitit.
        from emtnas_hpc.cluster.submission import remove_leftovers

        remove_leftovers(run.jobs)


def _young(jobs: JobsPaths, records: Sequence[JobRecord]) -> set[str]:
    """The names of those that somebody may be about to hear SLURM's answer to."""
    young = set()
    for record in records:
        path = jobs.record(record.intent)
        with storage_errors(path, "read"):
            age_s = server_now(jobs.directory) - path.stat().st_mtime
        if age_s < _DEAD_AFTER_S:
            young.add(record.name)
    return young
