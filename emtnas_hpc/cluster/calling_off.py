"""Taking jobs out of the queue, and waiting until they are gone."""

import time
from collections.abc import Callable, Iterable, Sequence

from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.scheduler import Say, call
from emtnas_hpc.errors import SchedulerError

#: Longer than a job may take to die: SLURM's KillWait is 30 s unless a site says otherwise.
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.5

Clock = Callable[[], float]
Sleep = Callable[[float], None]


def call_off(
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
                call("scancel", *(job.job_id for job in group))
            except SchedulerError as error:
                # One that ended meanwhile is refused as well; the next look tells.
                say(str(error))


def _line(job: QueuedJob) -> str:
    return f"cancelling job {job.job_id}"
