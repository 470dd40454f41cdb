"""Mean and sample standard deviation over the seeds of an experiment."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emtnas_hpc.report.collect import SeedResult, TaskResult

#: The columns that are averaged.
QUANTITIES = (
    "true_fitness",
    "first_true_fitness",
    "sampled_accuracy",
    "parameters",
    "macs",
    "seconds_training",
    "seconds_evaluation",
    "seconds_search",
)


@dataclass(frozen=True)
class Statistic:
    """Mean and sample standard deviation (ddof = 1); nan where there are too few values."""

    mean: float
    std: float


@dataclass(frozen=True)
class TaskSummary:
    """A task over the seeds of its experiment: a statistic for every quantity."""

    task: str
    quantities: dict[str, Statistic]


@dataclass(frozen=True)
class Summary:
    """An experiment over its seeds.

    Attributes:
        name: of the experiment.
        seeds: that are in it.
        unfinished: those of them that have not reached their last generation.
        batch_norm: modes in which accuracies were measured; more than one do not compare.
        tasks: in order of skill factor.
    """

    name: str
    seeds: tuple[int, ...]
    unfinished: tuple[int, ...]
    batch_norm: tuple[str, ...]
    tasks: tuple[TaskSummary, ...]


def summarise(results: Sequence[SeedResult]) -> tuple[Summary, ...]:
    """One summary for every experiment, by name; runs of one name but other tasks are apart."""
    experiments: dict[tuple[str, ...], list[SeedResult]] = defaultdict(list)
    for result in results:
        experiments[result.name, *(task.task for task in result.tasks)].append(result)
    return tuple(_summary(key[0], experiments[key]) for key in sorted(experiments))


def _summary(name: str, results: list[SeedResult]) -> Summary:
    results = sorted(results, key=lambda result: result.seed)
    by_task = zip(*(result.tasks for result in results), strict=True)
    return Summary(
        name=name,
        seeds=tuple(result.seed for result in results),
        unfinished=tuple(r.seed for r in results if r.generation < r.n_generations),
        batch_norm=tuple(sorted({result.batch_norm for result in results})),
        tasks=tuple(_task_summary(over_seeds) for over_seeds in by_task),
    )


def _task_summary(over_seeds: Sequence[TaskResult]) -> TaskSummary:
    return TaskSummary(
        over_seeds[0].task,
        {name: _statistic(getattr(r, name) for r in over_seeds) for name in QUANTITIES},
    )


def _statistic(values: Iterable[float]) -> Statistic:
    known = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
    )
