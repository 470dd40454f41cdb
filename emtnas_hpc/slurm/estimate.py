"""How many jobs a seed takes, how long it works and what it writes: arithmetic, no files."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from emtnas_hpc.progress import stages_of
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.profile import LEAD_PART, Profile
from emtnas_hpc.slurm.slurm import format_minutes
from emtnas_hpc.slurm.snapshot import RunSnapshot, StageProgress


@dataclass(frozen=True)
class Measure:
    """A quantity, where it is from, and whether it was not measured."""

    value: float
    origin: str
    guess: bool = False


def measure_stages(runs: Iterable[RunSnapshot]) -> Mapping[str, float]:
    """Seconds of a step by the name of the stage: medians over the seeds of one experiment."""
    measured: dict[str, list[float]] = {}
    for stage in (stage for run in runs for stage in run.stages):
        if not math.isnan(stage.seconds):
            measured.setdefault(stage.name, []).append(stage.seconds)
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


@dataclass(frozen=True)
class Ahead:
    """The work that is left of some stages.

    Attributes:
        seconds: of the stages whose steps have been measured; nan if there is none.
        unmeasured: names of the other stages that are not finished.
    """

    seconds: float
    unmeasured: tuple[str, ...]

    @property
    def known_s(self) -> float:
        """The seconds; 0 if nothing was measured."""
        return 0.0 if math.isnan(self.seconds) else self.seconds


def work_ahead(stages: Iterable[StageProgress], paces: Mapping[str, float]) -> Ahead:
    """The work of these stages of a run to their end; `paces` are those of `measure_stages`."""
    seconds, unmeasured = [], []
    for stage in stages:
        if stage.finished:
            continue
        pace = paces.get(stage.name, math.nan)
        if stage.n_steps is None or math.isnan(pace):
            unmeasured.append(stage.name)
        else:
            seconds.append(pace * (stage.n_steps - stage.step))
    return Ahead(sum(seconds) if seconds else math.nan, tuple(unmeasured))


@dataclass(frozen=True)
class SeedEstimate:
    """What is ahead of one seed.

    Attributes:
        generation: that it is at.
        n_generations: that it is to reach.
        per_job: generations that one job can hold; 0 if not a single one.
        n_jobs: from here to the end; None where a job holds no generation.
        seconds: of work, without queueing and starting; retraining counts once it is measured.
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


def usable_seconds(profile: Profile) -> float:
    """Seconds of a job that generations may take: its limit less the lead time."""
    return 60.0 * profile.time - profile.lead_time_s


def _shortest_limit(profile: Profile, seconds: float) -> int:
    """Minutes of the shortest limit that leaves a job so many seconds before its lead time."""
    lead_s = profile.lead_time_s
    if LEAD_PART * lead_s != 60 * profile.time:
        return math.ceil((seconds + lead_s) / 60)
    # Such a lead time was filled in: it grows with the limit, up to the default.
    least = math.ceil((seconds + Profile().lead_time_s) / 60)
    return min(least, math.ceil(seconds / 60 * LEAD_PART / (LEAD_PART - 1)))


def estimate_seed(
    generation: int,
    n_generations: int,
    pace_s: float,
    usable_s: float,
    *,
    retraining_s: float = 0.0,
) -> SeedEstimate:
    """Estimates what is ahead of a seed at `generation`.

    A generation takes `pace_s`, and each job has `usable_s` for them. Retrainings can stop at
    almost any moment.
    """
    left = max(0, n_generations - generation)
    # Of a generation that takes no time to speak of, a job holds all that are left.
    per_job = max(0, math.floor(usable_s / pace_s)) if pace_s > 0 else left
    n_jobs = math.ceil(left / per_job) if per_job else (None if left else 0)
    if n_jobs is not None and retraining_s > 0:
        if usable_s <= 0:
            n_jobs = None
        else:
            # Retraining begins in the last job of the search, in the time that is left there.
            in_last = left - max(0, n_jobs - 1) * per_job
            room_s = usable_s - in_last * pace_s if n_jobs else 0.0
            n_jobs += max(0, math.ceil((retraining_s - room_s) / usable_s))
    seconds = left * pace_s + retraining_s
    return SeedEstimate(generation, n_generations, per_job, n_jobs=n_jobs, seconds=seconds)


def estimate_warnings(
    estimates: Sequence[SeedEstimate], pace: Measure, profile: Profile, *, n_standby: int
) -> list[str]:
    """What will not work out of the seeds that are to be submitted, in single lines.

    `n_standby` jobs are queued behind the first; the last of them must be able to submit more.
    """
    if any(each.left and not each.per_job for each in estimates):
        limit_s, lead_s = 60.0 * profile.time, profile.lead_time_s
        least = _shortest_limit(profile, pace.value)
        return [
            f"one generation takes {format_minutes(pace.value)} ({pace.origin}), but a limit of "
            f"{format_minutes(limit_s)} less {format_minutes(lead_s)} of lead time holds only "
            f"{format_minutes(usable_seconds(profile))}: ask for at least --time {least}"
        ]
    # Behind one standby job each job submits the next; more are queued where nodes may not submit.
    most = max((each.n_jobs or 0 for each in estimates), default=0)
    if most > 1 + n_standby > 2:
        jobs = f"{most} jobs (a guess)" if pace.guess else f"{most} jobs"
        return [
            f"a seed takes {jobs}, and {1 + n_standby} are queued: where jobs may not submit jobs, "
            "launch again when those have ended"
        ]
    return []


def disk_need(stages: Sequence[tuple[float, int]], keep: int) -> float:
    """Bytes that a run will take besides what it has: commits that are kept, and one on its way.

    Args:
        stages: of each that is not finished the bytes of a commit, and how many are there.
        keep: commits of a stage that are kept.
    """
    kept = sum(n_bytes * max(0, keep - there) for n_bytes, there in stages)
    return kept + max((n_bytes for n_bytes, _there in stages), default=0.0)


#: The paper's search on CIFAR-10 and CIFAR-100 took 0.42 days of a 2080Ti (its Table 3).
GENERATION_S = 0.42 * 86_400 / 300

#: Weights, momentum and statistics, fitted to those of C = 8, 20 and 48: numbers for every square
#: of a cell's width, and for every unit of its width. Of a task's supernet, and of one network.
_SUPERNET, _NETWORK = (249.2, 6052.0), (17.4, 344.0)
_BYTES = 4
#: state.h5 of 300 generations, and the record of 600 epochs, at most.
_HISTORY_BYTES, _RECORD_BYTES = 2_000_000, 100_000
_REDUCTIONS = 2


def guess_commits(experiment: Experiment) -> Mapping[str, float]:
    """Bytes of a commit by the name of the stage, from the sizes of the networks."""
    supernet, retraining = experiment.supernet, experiment.retraining
    search = _numbers(_SUPERNET, supernet.channels, supernet.normal_cells) * len(experiment.tasks)
    networks = (
        _BYTES * _numbers(_NETWORK, retraining.channels, n_normal) + _RECORD_BYTES
        for _pair, n_normal in product(experiment.retrained, retraining.normal_cells)
    )
    sizes = (_BYTES * search + _HISTORY_BYTES, *networks)
    return dict(zip(stages_of(experiment), sizes, strict=True))


def _numbers(fitted: tuple[float, float], channels: int, normal_cells: int) -> float:
    """Numbers of all cells: a stack has so many normal cells, and a reduction before the next."""
    per_square, per_width = fitted
    stacks: list[int] = [channels * 2**stack for stack in range(_REDUCTIONS + 1)]
    widths = [*stacks * normal_cells, *stacks[1:]]
    return sum(per_square * width * width + per_width * width for width in widths)
