"""Taking jobs out of the queue that nobody answers for, and waiting until they are gone."""

import time
from collections.abc import Callable, Sequence

from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import SchedulerError

#: SLURM kills what ignores its end after KillWait, which is 30 s unless a site says otherwise.
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.5


def call_off(
    jobs: Sequence[QueuedJob],
    say: Callable[[str], None],
    *,
    patience_s: float = _PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Cancels jobs, and returns once the queue knows them no longer.

    Args:
        jobs: in the order in which they wait for each other.
        say: told that this takes a while.
        patience_s: seconds to wait.
        clock: seconds.
        sleep: waits for seconds.

    Raises:
        SchedulerError: SLURM refuses, or one of them does not end.
    """
    if not jobs:
        return
    names = {job.name for job in jobs}
    say(f"cancelling what an earlier command left in the queue: {_listed(jobs)}")
    # The last first: cancelled the other way round, a job begins when the one before it ends.
    call("scancel", *(job.job_id for job in reversed(jobs)))
    end = clock() + patience_s
    while left := [job for job in read_queue() if job.name in names]:
        if clock() >= end:
            raise SchedulerError(
                f"{_listed(left)} was cancelled {patience_s:.0f} s ago and is still in the queue; "
                "try again later"
            )
        sleep(_LOOK_EVERY_S)


def _listed(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(f"job {job.job_id}" for job in jobs)
