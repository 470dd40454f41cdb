"""The job that this process is: what the environment says of it, and when its time is over."""

import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.job_files import JobRecord
from emtnas_hpc.slurm.slurm import number


@dataclass(frozen=True)
class JobEnvironment:
    """What the environment says of the job.

    Attributes:
        restart_count: how often SLURM has requeued it.
        dependencies: ids of the jobs that it waited for: all have ended for good.
        end_epoch: when its time limit ends, seconds since 1970; None where SLURM (before 23) says
            nothing.
    """

    job_id: str
    name: str
    restart_count: int = 0
    dependencies: frozenset[str] = frozenset()
    end_epoch: float | None = None


def job_environment(environment: Mapping[str, str] = os.environ) -> JobEnvironment:
    """The job of this process.

    Raises:
        InputError: it is in none.
    """
    job_id = environment.get("SLURM_JOB_ID")
    if not job_id:
        raise InputError("this is not a SLURM job: SLURM_JOB_ID is not set")
    return JobEnvironment(
        job_id,
        name=environment.get("SLURM_JOB_NAME", ""),
        restart_count=number(environment.get("SLURM_RESTART_COUNT", "")) or 0,
        dependencies=frozenset(re.findall(r"\d+", environment.get("SLURM_JOB_DEPENDENCY", ""))),
        end_epoch=number(environment.get("SLURM_JOB_END_TIME", "")),
    )


def predecessors(job: JobEnvironment, records: Sequence[JobRecord]) -> frozenset[str]:
    """The jobs that this one waited for, and those that they had waited for in their turn.

    SLURM and our own records tell; this job's id may not be in its record yet.
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


@dataclass(frozen=True)
class TimeLimit:
    """When a job's time is over, by this process's own clock.

    Attributes:
        end_monotonic: seconds on `clock`; infinite where there is no limit, or it is not known.
        lead_s: seconds before that at which SLURM sends its signal; it may come a minute earlier.
        clock: seconds, monotonic.
    """

    end_monotonic: float = math.inf
    lead_s: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def seconds_left(self, at: float | None = None) -> float | None:
        """From a moment on this clock, by default now; None without a limit."""
        if math.isinf(self.end_monotonic):
            return None
        return round(self.end_monotonic - (self.clock() if at is None else at), 1)

    def fits(self, seconds: float) -> bool:
        """Whether something that begins now ends before SLURM's signal is due."""
        return self.clock() + seconds <= self.end_monotonic - self.lead_s


def time_limit(
    job: JobEnvironment, lead_s: float, end_in_queue: Callable[[], float | None]
) -> TimeLimit:
    """The limit that the environment tells; only where it does not, the queue is asked."""
    end = job.end_epoch
    # A job that another one submitted may have inherited an end that has passed.
    if end is None or end <= time.time():
        end = end_in_queue()
    # From wall clock to monotonic clock once: a clock that is set later moves no limit.
    now = time.time()
    if end is None or end <= now:
        return TimeLimit(lead_s=lead_s)
    return TimeLimit(time.monotonic() + end - now, lead_s)
