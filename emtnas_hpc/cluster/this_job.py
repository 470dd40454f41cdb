"""The job that this process is: what SLURM tells it of itself, and when its time is over."""

import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emtnas_hpc.cluster.queue import QueuedJob, knows_job
from emtnas_hpc.cluster.records import JobRecord
from emtnas_hpc.cluster.scheduler import number
from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.store.takeover import JobIsGone


@dataclass(frozen=True)
class ThisJob:
    """What the environment says of the job.

    Attributes:
        job_id: as SLURM numbers it.
        name: of the job.
        restart_count: how often SLURM has requeued it.
        dependencies: ids of the jobs that it waited for: all have ended for good.
        end: of its time limit in seconds since 1970; None where SLURM (before 23) does not say.
    """

    job_id: str
    name: str
    restart_count: int = 0
    dependencies: frozenset[str] = frozenset()
    end: float | None = None


def this_job(environment: Mapping[str, str] = os.environ) -> ThisJob:
    """The job of this process.

    Raises:
        InputError: it is in none.
    """
    job_id = environment.get("SLURM_JOB_ID")
    if not job_id:
        raise InputError("this is not a SLURM job: SLURM_JOB_ID is not set")
    return ThisJob(
        job_id,
        environment.get("SLURM_JOB_NAME", ""),
        number(environment.get("SLURM_RESTART_COUNT", "")) or 0,
        frozenset(re.findall(r"\d+", environment.get("SLURM_JOB_DEPENDENCY", ""))),
        number(environment.get("SLURM_JOB_END_TIME", "")),
    )


def predecessors(job: ThisJob, records: Sequence[JobRecord]) -> frozenset[str]:
    """The jobs that this one waited for, and those that they had waited for in their turn.

    By SLURM's word and by our own records, in which this job's id may not stand yet.
    """
    waited = {record.job_id: record.after for record in records}
    mine = (record.after for record in records if record.name == job.name)
    found: set[str] = set()
    ahead = [*job.dependencies, *mine, waited.get(job.job_id)]
    while ahead:
        job_id = ahead.pop()
        if job_id and job_id not in found:
            found.add(job_id)
            ahead.append(waited.get(job_id))
    return frozenset(found)


def gone_jobs(ended: frozenset[str] = frozenset()) -> JobIsGone:
    """Answers whether an owner's job is gone.

    One that is requeued, suspended or still completing is not: it goes on, or may be writing.

    Args:
        ended: jobs that are known to have ended for good.
    """

    def is_gone(job_id: str) -> bool | None:
        if job_id in ended:
            return True
        try:
            return not knows_job(job_id)
        except SchedulerError:
            return None

    return is_gone


@dataclass(frozen=True)
class TimeLimit:
    """When a job's time is over, by this process's own clock.

    Attributes:
        end: on that clock; infinite where there is no limit, or nobody can tell.
        lead_s: how long before it SLURM's signal comes, at the latest.
        clock: seconds, monotonic.
    """

    end: float = math.inf
    lead_s: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def seconds_left(self, at: float | None = None) -> float | None:
        """From a moment on this clock, by default now; None without a limit."""
        if math.isinf(self.end):
            return None
        return round(self.end - (self.clock() if at is None else at), 1)

    def fits(self, seconds: float) -> bool:
        """Whether something that begins now ends before SLURM's signal is due."""
        return self.clock() + seconds <= self.end - self.lead_s


def time_limit(job: ThisJob, queue: Sequence[QueuedJob], lead_s: float) -> TimeLimit:
    """The limit that the environment tells, or else the queue."""
    now = time.time()
    told = [job.end, *(each.end for each in queue if each.job_id == job.job_id)]
    # A job that another one submitted may have inherited an end that has passed.
    ends = [end for end in told if end is not None and end > now]
    if not ends:
        return TimeLimit(lead_s=lead_s)
    return TimeLimit(time.monotonic() + ends[0] - now, lead_s)
