"""Mean and sample standard deviation over the seeds of an experiment."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emtnas_hpc.report.collect import SeedResult, TaskResult
from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.table import Column, Entry, Row, Table, sample_of


@dataclass(frozen=True)
class SearchColumn:
    """What is said of a task's searches.

    Attributes:
        key: of a `TaskResult`.
        name: the heading without the unit.
        unit: that is shown.
        scale: from the stored unit to the shown one.
        decimals: that are shown.
    """

    key: str
    name: str
    unit: str
    scale: float
    decimals: int

    @property
    def heading(self) -> str:
        """With the unit."""
        return f"{self.name} {self.unit}"

    def value(self, result: TaskResult) -> float:
        """What a seed found, in the unit that is shown; nan where it was not measured."""
        return self.scale * float(getattr(result, self.key))


#: Of every format.
SEARCH_COLUMNS = (
    SearchColumn("true_fitness", "true", "%", 100.0, 2),
    SearchColumn("first_true_fitness", "first", "%", 100.0, 2),
    SearchColumn("sampled_accuracy", "sampled", "%", 100.0, 2),
    SearchColumn("parameters", "params", "M", 1e-6, 3),
    SearchColumn("macs", "MACs", "M", 1e-6, 2),
    SearchColumn("seconds_training", "train", "s", 1.0, 1),
    SearchColumn("seconds_evaluation", "eval.", "s", 1.0, 1),
    SearchColumn("seconds_search", "search", "s", 1.0, 2),
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


@dataclass(frozen=True)
class TaskSummary:
    """A task over the seeds of its experiment.

    Attributes:
        task: its data set.
        quantities: a statistic for each.
        diverged: seeds whose training loss did; they are in none of them.
    """

    task: str
    quantities: dict[str, Statistic]
    diverged: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """An experiment over its seeds.

    Attributes:
        name: of the experiment.
        experiment_signature: two experiments of one name differ in it.
        seeds: that are averaged: the finished ones, or all while none is finished; of each task
            without those that diverged.
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
    seeds = tuple(result.seed for result in results)
    return Summary(
        name=experiment.name,
        experiment_signature=experiment.signature,
        seeds=seeds,
        unfinished=experiment.unfinished,
        batch_norm=results[0].batch_norm,
        condition_changes={r.seed: r.condition_changes for r in results if r.condition_changes},
        diverged={r.seed: where for r in results if (where := _diverged(r))},
        tasks=tuple(_task_summary(seeds, over_seeds) for over_seeds in by_task),
    )


def search_tables(runs: Sequence[Run]) -> tuple[Table, ...]:
    """A table of what its searches found for every experiment, by name."""
    return tuple(map(search_table, experiments_of(runs)))


def search_table(experiment: Experiment) -> Table:
    """A row a task: mean and deviation over the seeds that did not diverge."""
    results = [run.search for run in experiment.averaged if run.search is not None]
    by_task = zip(*(result.tasks for result in results), strict=True)
    seeds = [result.seed for result in results]
    unfinished = f", {listed(experiment.unfinished)} not finished" if experiment.unfinished else ""
    if unfinished and experiment.finished:
        unfinished += " and left out"
    table = Table(
        f"searches-{experiment.key}",
        f"{experiment.title}: {listed(seeds)} (n = {len(seeds)}){unfinished}; supernet, batch norm "
        f"{results[0].batch_norm}",
        ("task",),
        tuple(Column(c.key, c.heading, c.decimals) for c in SEARCH_COLUMNS),
        tuple(_row(seeds, over_seeds) for over_seeds in by_task),
    )
    return table.with_notes((*table.diverged_notes, *search_notes([experiment])))


def search_notes(experiments: Sequence[Experiment]) -> list[str]:
    """What the columns are, and what speaks against a seed."""
    results = [
        (experiment.name, run.search)
        for experiment in experiments
        for run in experiment.averaged
        if run.search is not None
    ]
    changed = [
        f"Equal bits are not promised: {name}, seed {r.seed}, went on with "
        f"{'; '.join(r.condition_changes)}."
        for name, r in results
        if r.condition_changes
    ]
    diverged = [
        f"The training loss diverged: {name}, seed {r.seed}, {'; '.join(where)}."
        for name, r in results
        if (where := _diverged(r))
    ]
    return [*SEARCH_NOTES, *changed, *diverged]


def listed(seeds: Sequence[int]) -> str:
    """`seeds 0, 1, 4`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _row(seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> Row:
    task = over_seeds[0].task
    return Row(task, (task,), tuple(_entry(c, seeds, over_seeds) for c in SEARCH_COLUMNS), True)


def _entry(column: SearchColumn, seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> Entry:
    by_seed = list(zip(seeds, over_seeds, strict=True))
    return Entry(
        sample_of((seed, column.value(r)) for seed, r in by_seed if r.diverged_in is None),
        missing="-",
        diverged=tuple(seed for seed, r in by_seed if r.diverged_in is not None),
    )


def _diverged(result: SeedResult) -> tuple[str, ...]:
    return tuple(
        f"{task.task} in generation {task.diverged_in}"
        for task in result.tasks
        if task.diverged_in is not None
    )


def _task_summary(seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> TaskSummary:
    counted = [result for result in over_seeds if result.diverged_in is None]
    by_seed = zip(seeds, over_seeds, strict=True)
    return TaskSummary(
        over_seeds[0].task,
        {c.key: _statistic(getattr(r, c.key) for r in counted) for c in SEARCH_COLUMNS},
        tuple(seed for seed, result in by_seed if result.diverged_in is not None),
    )


def _statistic(values: Iterable[float]) -> Statistic:
    known = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
    )
