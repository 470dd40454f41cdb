"""How many jobs a seed takes, when it ends and what it needs of the disk: pure arithmetic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from emtnas_hpc.pipeline import TrainingImages
from emtnas_hpc.progress import stages_of
from emtnas_hpc.search.history import TaskHeader
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.slurm import format_minutes


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


#: The paper's search on CIFAR-10 and CIFAR-100 took 0.42 days of a 2080Ti (its Table 3).
_PAPER_S = 0.42 * 86_400
_PAPER_GENERATIONS = 300
GENERATION_S = _PAPER_S / _PAPER_GENERATIONS

#: Weights, momentum and statistics, fitted to those of C = 8, 20 and 48: numbers for every square
#: of a cell's width, and for every unit of its width. Of a task's supernet, and of one network.
_SUPERNET, _NETWORK = (249.2, 6052.0), (17.4, 344.0)
#: Multiply-adds for every pixel, likewise for every square of C and for every unit of it: so many
#: for a normal cell in every stack, and those of all the rest.
_MACS = ((27.0, 20.1), (217.1, 128.3))
#: What a strided stem has more of them than a plain one, likewise; pixels are those behind it.
_STRIDED = (27.0, 189.0)
#: To look at an image takes so much of the time of training on it.
_LOOKED_AT = 0.3
_BYTES = 4
#: state.h5 of 300 generations, and the record of 600 epochs, at most.
_HISTORY_BYTES, _RECORD_BYTES = 2_000_000, 100_000
_REDUCTIONS = 2


def guess_commits(experiment: Experiment) -> Mapping[str, float]:
    """Bytes of a commit by the name of the stage, from the sizes of the networks."""
    supernet, settings = experiment.supernet, experiment.retraining
    search = _numbers(_SUPERNET, supernet.channels, supernet.normal_cells) * len(experiment.tasks)
    names = stages_of(experiment)
    network = (
        _BYTES * _numbers(_NETWORK, settings.channels, n_normal) + _RECORD_BYTES
        for _task, n_normal in _retrainings(experiment)
    )
    return dict(zip(names, (_BYTES * search + _HISTORY_BYTES, *network), strict=True))


def guess_epochs(
    experiment: Experiment,
    tasks: Sequence[TaskHeader],
    transfers: Mapping[str, TrainingImages],
    pace_s: float,
) -> Mapping[str, float]:
    """Seconds of an epoch by the name of the retraining: as a generation's, by multiply-adds.

    A network with more channels uses a GPU better, so there this is rather too long.

    Args:
        experiment: whose retrainings.
        tasks: of its search.
        transfers: images of the data sets that it does not search on, by name.
        pace_s: seconds of a generation.
    """
    supernet, channels = experiment.supernet, experiment.retraining.channels
    images = {**{task.name: _of_task(task) for task in tasks}, **transfers}
    generation = sum(
        _images(experiment, task)
        * _work(images[task.name], supernet.channels, supernet.normal_cells)
        for task in tasks
    )
    seconds = (
        pace_s / generation * images[name].n_images * _work(images[name], channels, n_normal)
        for name, n_normal in _retrainings(experiment)
    )
    return dict(zip(stages_of(experiment)[1:], seconds, strict=True))


def _of_task(task: TaskHeader) -> TrainingImages:
    n_images = task.n_training + task.n_validation
    return TrainingImages(n_images, task.shape.first_size, task.shape.stem)


def _images(experiment: Experiment, task: TaskHeader) -> float:
    """Images that a generation trains on, and those that it only looks at as their part of one."""
    training, evaluation = experiment.training, experiment.evaluation
    trained = task.n_training
    if training.batches != "epoch":
        trained = min(trained, training.batches * training.batch_size)
    each = min(evaluation.batch_size, task.n_validation) + evaluation.recalibration_images
    n_individuals = experiment.search.population / len(experiment.tasks)
    return trained + _LOOKED_AT * (n_individuals * each + task.n_validation)


def _retrainings(experiment: Experiment) -> list[tuple[str, int]]:
    """Data set and N of each, in the order of the stages."""
    pairs = product(experiment.retrained, experiment.retraining.normal_cells)
    return [(task, n_normal) for (_found_on, task), n_normal in pairs]


def _work(images: TrainingImages, channels: int, normal_cells: int) -> float:
    """Multiply-adds of a network for an image."""
    square, width = ((per_cell * normal_cells + rest) for per_cell, rest in _MACS)
    if images.stem == "strided":
        square, width = square + _STRIDED[0], width + _STRIDED[1]
    return images.first_size**2 * (square * channels**2 + width * channels)


def _numbers(fitted: tuple[float, float], channels: int, normal_cells: int) -> float:
    per_square, per_width = fitted
    return sum(per_square * w * w + per_width * w for w in _widths(channels, normal_cells))


def _widths(channels: int, normal_cells: int) -> list[int]:
    """Of every cell."""
    stacks = [channels * 2**stack for stack in range(_REDUCTIONS + 1)]
    normal = [width for width in stacks for _cell in range(normal_cells)]
    return [*normal, *stacks[1:]]
