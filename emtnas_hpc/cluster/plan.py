"""How many jobs a seed takes, when it ends and what it needs of the disk: pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emtnas_hpc.cluster.minutes import format_minutes


@dataclass(frozen=True)
class Measure:
    """A quantity, and where it is from."""

    value: float
    origin: str

    @property
    def is_guess(self) -> bool:
        """Whether nobody has measured it."""
        return self.origin.startswith("guess")


@dataclass(frozen=True)
class Limits:
    """What a job has.

    Attributes:
        limit_s: until SLURM ends it.
        lead_time_s: how long before that it is told to stop.
    """

    limit_s: float
    lead_time_s: float

    @property
    def usable_s(self) -> float:
        """Seconds that generations may take."""
        return self.limit_s - self.lead_time_s


@dataclass(frozen=True)
class SeedPlan:
    """What is ahead of one seed.

    Attributes:
        generation: that it is at.
        n_generations: that it is to reach.
        per_job: generations that one job can hold; 0 if not a single one.
        n_jobs: from here to the end; None where a job holds no generation.
        seconds: of work, without queueing and starting; retraining included.
    """

    generation: int
    n_generations: int
    per_job: int
    n_jobs: int | None
    seconds: float

    @property
    def left(self) -> int:
        """Generations to go."""
        return self.n_generations - self.generation


def plan_seed(
    generation: int,
    n_generations: int,
    pace_s: float,
    limits: Limits,
    retraining_s: float = 0.0,
) -> SeedPlan:
    """Plans one seed.

    Args:
        generation: that it is at.
        n_generations: that it is to reach.
        pace_s: seconds of a generation.
        limits: of each of its jobs.
        retraining_s: of the work that follows the search, which may stop at almost any moment.
    """
    left = max(0, n_generations - generation)
    # Of a generation that takes no time to speak of, a job holds all that are left.
    per_job = max(0, math.floor(limits.usable_s / pace_s)) if pace_s > 0 else left
    n_jobs = math.ceil(left / per_job) if per_job else (None if left else 0)
    if n_jobs is not None and retraining_s > 0:
        in_last = left - max(0, n_jobs - 1) * per_job
        n_jobs = _with_retraining(n_jobs, in_last * pace_s, retraining_s, limits.usable_s)
    return SeedPlan(generation, n_generations, per_job, n_jobs, left * pace_s + retraining_s)


def _with_retraining(
    n_jobs: int, last_s: float, retraining_s: float, usable_s: float
) -> int | None:
    """Jobs with what follows the search, which the last of them begins in the time it has left."""
    if usable_s <= 0:
        return None
    room_s = usable_s - last_s if n_jobs else 0.0
    return n_jobs + max(0, math.ceil((retraining_s - room_s) / usable_s))


def finish(now: float, plans: Sequence[SeedPlan]) -> float:
    """When the last seed ends if none ever waits: seconds since 1970.

    Args:
        now: likewise.
        plans: of the seeds, each of which has a job of its own at a time.
    """
    return now + max((plan.seconds for plan in plans), default=0.0)


def disk_need(stages: Sequence[tuple[float, int]], keep: int) -> float:
    """Bytes that a run will take besides what it has: commits that are kept, and one on its way.

    Args:
        stages: of each that is not finished the bytes of a commit, and how many are there.
        keep: commits of a stage that are kept.
    """
    kept = sum(n_bytes * max(0, keep - there) for n_bytes, there in stages)
    return kept + max((n_bytes for n_bytes, _there in stages), default=0.0)


def warnings(
    pace: Measure, limits: Limits, plans: Sequence[SeedPlan], spares: int, *, guessed: bool = False
) -> list[str]:
    """What in a plan will not work out, in single lines.

    Args:
        pace: seconds of a generation.
        limits: of each job.
        plans: of the seeds that are to be submitted.
        spares: jobs that are queued behind the first; the last of them must be able to submit more.
        guessed: whether the plans lean on more than was measured.
    """
    if any(plan.left and not plan.per_job for plan in plans):
        least = math.ceil((pace.value + limits.lead_time_s) / 60)
        return [
            f"one generation takes {format_minutes(pace.value)} ({pace.origin}), but a limit of "
            f"{format_minutes(limits.limit_s)} less {format_minutes(limits.lead_time_s)} of lead "
            f"time holds only {format_minutes(limits.usable_s)}: ask for at least --time {least}"
        ]
    most = max((plan.n_jobs or 0 for plan in plans), default=0)
    if most > 1 + spares > 2:
        jobs = f"{most} jobs (a guess)" if guessed else f"{most} jobs"
        return [
            f"a seed takes {jobs}, and {1 + spares} are queued: where jobs may not submit jobs, "
            "launch again when those have ended"
        ]
    return []
