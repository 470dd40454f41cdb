"""Leaving no job and no intent behind of which nobody knows what became of it."""

from collections.abc import Callable, Sequence

from emtnas_hpc.cluster.calling_off import PATIENCE_S, call_off
from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.records import JobRecord, give_up
from emtnas_hpc.store.paths import RunPaths


def settle(
    run: RunPaths,
    records: Sequence[JobRecord],
    orphans: Sequence[QueuedJob],
    say: Callable[[str], None],
    *,
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
        patience_s: seconds to wait until the queue is free of them.

    Raises:
        SchedulerError: SLURM cannot be asked, or one of them does not end.
        StorageError: the disk refused.
    """
    call_off(orphans, say, patience_s=patience_s)
    unanswered = [record for record in records if record.open]
    for record in unanswered:
        give_up(run.jobs, record)
    if unanswered:
        # Imports submitit.
        from emtnas_hpc.cluster.submission import remove_leftovers

        remove_leftovers(run.jobs)
