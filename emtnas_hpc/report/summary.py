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
        experiment_signature: two experiments of one name differ in it.
        seeds: that are in it.
        unfinished: those of them that have not reached their last generation.
        batch_norm: mode in which accuracies were measured; those of two modes do not compare.
        condition_changes: by seed, where it was carried on under other conditions.
        diverged: by seed, the tasks whose training loss did, each with the first such generation.
        tasks: in order of skill factor.
    """

    name: str
    experiment_signature: str
    seeds: tuple[int, ...]
    unfinished: tuple[int, ...]
    batch_norm: str
    condition_changes: dict[int, tuple[str, ...]]
    diverged: dict[int, tuple[str, ...]]
    tasks: tuple[TaskSummary, ...]


def summarise(results: Sequence[SeedResult]) -> tuple[Summary, ...]:
    """One summary for every experiment, by name; what differs in a setting is never averaged."""
    experiments: dict[tuple[str, str], list[SeedResult]] = defaultdict(list)
    for result in results:
        experiments[result.name, result.experiment_signature].append(result)
    return tuple(_summary(experiments[key]) for key in sorted(experiments))


def _summary(results: list[SeedResult]) -> Summary:
    results = sorted(results, key=lambda result: result.seed)
    by_task = zip(*(result.tasks for result in results), strict=True)
    return Summary(
        name=results[0].name,
        experiment_signature=results[0].experiment_signature,
        seeds=tuple(result.seed for result in results),
        unfinished=tuple(r.seed for r in results if r.generation < r.n_generations),
        batch_norm=results[0].batch_norm,
        condition_changes={r.seed: r.condition_changes for r in results if r.condition_changes},
        diverged={r.seed: where for r in results if (where := _diverged(r))},
        tasks=tuple(_task_summary(over_seeds) for over_seeds in by_task),
    )


def _diverged(result: SeedResult) -> tuple[str, ...]:
    return tuple(
        f"{task.task} in generation {task.diverged_in}"
        for task in result.tasks
        if task.diverged_in is not None
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
