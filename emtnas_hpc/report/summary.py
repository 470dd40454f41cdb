"""Mean and sample standard deviation over the seeds of an experiment."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emtnas_hpc.report.collect import SeedResult, TaskResult
from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.runs import Run


@dataclass(frozen=True)
class SearchColumn:
    """What is said of a task's searches.

    Attributes:
        key: of a `TaskResult`.
        heading: with the unit.
        scale: from the stored unit to the shown one.
        decimals: that are shown.
    """

    key: str
    heading: str
    scale: float
    decimals: int


SEARCH_COLUMNS = (
    SearchColumn("true_fitness", "true %", 100.0, 2),
    SearchColumn("first_true_fitness", "first %", 100.0, 2),
    SearchColumn("sampled_accuracy", "sampled %", 100.0, 2),
    SearchColumn("parameters", "params M", 1e-6, 3),
    SearchColumn("macs", "MACs M", 1e-6, 2),
    SearchColumn("seconds_training", "train s", 1.0, 1),
    SearchColumn("seconds_evaluation", "eval. s", 1.0, 1),
    SearchColumn("seconds_search", "search s", 1.0, 2),
)
#: What these columns are.
SEARCH_NOTES = (
    "Mean ± sample standard deviation over seeds. These are the supernet's accuracies on "
    "validation images: how a search went, never which setting is better.",
    "true: the incumbent's accuracy on the whole validation set; first: of generation 1's "
    "fittest; sampled: the incumbent's on its mini-batch.",
    "params, MACs: of the incumbent in the search's network, output slices in use; MACs of "
    "convolutions and classifier.",
)


@dataclass(frozen=True)
class Statistic:
    """Mean and sample standard deviation (ddof = 1); nan where there are too few values."""

    mean: float
    std: float

    def text(self, column: SearchColumn) -> str:
        """`mean ±std` as a column shows it; the mean alone where there is no deviation.

        The one space is where a narrow table may break it.
        """
        if math.isnan(self.mean):
            return "-"
        text = f"{column.scale * self.mean:.{column.decimals}f}"
        if math.isnan(self.std):
            return text
        return f"{text} ±{column.scale * self.std:.{column.decimals}f}"


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
        seeds: that are averaged: the finished ones, or all while none is finished.
        unfinished: seeds that have not reached their last generation; left out, if others have.
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


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """One summary for every experiment, by name; what differs in a setting is never averaged."""
    return tuple(map(_summary, experiments_of(runs)))


def _summary(experiment: Experiment) -> Summary:
    results = [run.search for run in experiment.averaged if run.search is not None]
    by_task = zip(*(result.tasks for result in results), strict=True)
    return Summary(
        name=experiment.name,
        experiment_signature=experiment.signature,
        seeds=tuple(result.seed for result in results),
        unfinished=experiment.unfinished,
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
        {c.key: _statistic(getattr(r, c.key) for r in over_seeds) for c in SEARCH_COLUMNS},
    )


def _statistic(values: Iterable[float]) -> Statistic:
    known = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
    )
