"""The values of one cell, one a seed: from a row, a column and a family of experiments."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.collect import TaskResult
from emtnas_hpc.report.columns import QUANTITIES
from emtnas_hpc.report.costs import mean_per_step
from emtnas_hpc.report.counting import Counts, macs_of, parameters_of
from emtnas_hpc.report.experiments import Experiment, Family, Recipe, seed_of
from emtnas_hpc.report.figures.trace import Trace
from emtnas_hpc.report.rows import Kind, RowSpec
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.table import NOT_RUN, Column, Sample

_SECONDS_A_DAY = 86_400
_TIMES = {
    "time_total": ("seconds_training", "seconds_evaluation", "seconds_search"),
    "time_training": ("seconds_training",),
    "time_evaluation": ("seconds_evaluation",),
    "time_search": ("seconds_search",),
}
_COUNTS: dict[str, Counts] = {
    "mean_parameters": partial(parameters_of, slices="all"),
    "mean_macs": macs_of,
}
#: C of the retrained networks, where nothing was retrained: the paper's.
_CHANNELS = 48


@dataclass(frozen=True)
class Measure:
    """Fills cells from the experiments of a family, retrained with one recipe.

    Attributes:
        family: of experiments.
        recipe: that counts; None where nothing was retrained.
        used: signatures of the retrainings that went into cells.
    """

    family: Family
    recipe: Recipe | None
    used: set[str] = field(default_factory=set)

    def __call__(self, row: RowSpec, column: Column) -> Sample | None:
        """The finished seeds' values; None where there are none."""
        quantity, task = column.quantity, column.task
        if QUANTITIES[quantity].value is not None:
            assert task is not None
            return self._retrained(row, task, quantity)
        if quantity == "validation":
            assert task is not None
            return self._validation(row, task)
        if quantity == "device_days":
            return _scaled(self._seconds(row, _TIMES["time_total"]), 1 / _SECONDS_A_DAY)
        if quantity in _TIMES:
            return self._change(row, _TIMES[quantity])
        return self.per_step(row, _COUNTS[quantity], self.channels, row.n_normal)

    def retrainings(self, row: RowSpec, task: str, found_on: str) -> list[tuple[int, Retraining]]:
        """Seeds with their finished retrainings of the row on a task, of the task's incumbents."""
        kinds = [kind for kind in row.kinds if found_on in kind.tasks]
        groups: dict[str, list[tuple[int, Retraining]]] = defaultdict(list)
        for run in self._finished(kinds):
            for retraining in incumbents_retrainings(run):
                header = retraining.header
                if (
                    retraining.finished
                    and (known(run, header.task), known(run, header.found_on)) == (task, found_on)
                    and header.shape.n_normal == row.n_normal
                    and Recipe.of(retraining) == self.recipe
                ):
                    groups[header.experiment_signature].append((seed_of(run), retraining))
        # Only seeds of one signature are averaged: of several, those with the most seeds.
        chosen = max(groups.values(), key=len, default=[])
        self.used.update(retraining.header.signature for _seed, retraining in chosen)
        return chosen

    def _retrained(self, row: RowSpec, task: str, quantity: str) -> Sample | None:
        value_of = QUANTITIES[quantity].value
        assert value_of is not None
        found_on = row.found_on or task
        sources = [found_on]
        if quantity == "transfer":
            sources = [other for other in row.tasks if other != task]
        pairs = [
            (seed, value_of(retraining))
            for source in sources
            for seed, retraining in self.retrainings(row, task, source)
        ]
        return _sample((seed, value) for seed, value in pairs if value is not None)

    def _validation(self, row: RowSpec, task: str) -> Sample | None:
        kinds = [kind for kind in row.kinds if task in kind.tasks]
        return _sample(
            (seed_of(run), 100 * _task_of(run, task).true_fitness) for run in self._finished(kinds)
        )

    def missing(self, row: RowSpec, column: Column) -> str:
        """What to say where there is no value."""
        if column.task is not None and column.task not in row.tasks and row.found_on is None:
            return ""
        if column.quantity == "transfer" and row.joint:
            return "-"
        if column.quantity in _TIMES and self._seconds(row, _TIMES[column.quantity]) is not None:
            return "no baseline"
        return NOT_RUN

    def _seconds(self, row: RowSpec, parts: tuple[str, ...]) -> Sample | None:
        """Wall clock of all searches of the row together, by seed; None if one has not run."""
        kinds = [k for k in row.kinds if row.found_on is None or row.found_on in k.tasks]
        by_kind = [
            {seed_of(run): _sum(run, parts) for run in self._finished([kind])} for kind in kinds
        ]
        shared = set.intersection(*(set(seconds) for seconds in by_kind))
        return _sample((seed, sum(seconds[seed] for seconds in by_kind)) for seed in sorted(shared))

    def _change(self, row: RowSpec, parts: tuple[str, ...]) -> Sample | None:
        """Against the mean of the single-tasking searches, in percent."""
        seconds, before = self._seconds(row, parts), self._seconds(row.baseline, parts)
        if seconds is None or before is None or not before.estimate.mean:
            return None
        base = before.estimate.mean
        return _sample(
            (seed, 100 * (value / base - 1))
            for seed, value in zip(seconds.seeds, seconds.values, strict=True)
        )

    @property
    def channels(self) -> int:
        """C of the retrained networks."""
        return _CHANNELS if self.recipe is None else self.recipe.channels

    def per_step(
        self, row: RowSpec, count: Counts, channels: int | None = None, n_normal: int | None = None
    ) -> Sample | None:
        """Mean over the training steps of all searches of the row, by seed, in millions.

        Args:
            row: of a table.
            count: counts something in a network.
            channels: of the network; None for the search's own.
            n_normal: normal cells between its reductions; likewise.
        """
        by_seed: dict[int, list[Trace]] = defaultdict(list)
        for run in self._finished(row.kinds):
            by_seed[seed_of(run)] += [] if run.trace is None else [run.trace]
        return _sample(
            (seed, mean_per_step(traces, count, channels, n_normal) / 1e6)
            for seed, traces in by_seed.items()
            if len(traces) == len(row.kinds)
        )

    def _finished(self, kinds: Iterable[Kind]) -> list[Run]:
        experiments: list[Experiment] = self.family.find(kinds)
        return [run for experiment in experiments for run in experiment.finished]


def incumbents_retrainings(run: Run) -> list[Retraining]:
    """A run's retrainings of what its own search found, in the end."""
    if run.search is None:
        return []
    incumbents = {task.task: task.incumbent for task in run.search.tasks}
    return [
        retraining
        for retraining in run.retrainings
        if retraining.header.search_signature == run.search.signature
        and retraining.header.found_on is not None
        and incumbents.get(retraining.header.found_on) == retraining.header.individual
    ]


def known(run: Run, task: str | None) -> str | None:
    """A task of a run by the name that the tables know; another data set as it is called."""
    if task is None or run.search is None:
        return task
    own = {result.task: name for result, name in zip(run.search.tasks, run.tasks, strict=True)}
    return own.get(task, task)


def _task_of(run: Run, task: str) -> TaskResult:
    assert run.search is not None
    return run.search.tasks[run.tasks.index(task)]


def _sum(run: Run, parts: tuple[str, ...]) -> float:
    assert run.search is not None
    seconds = (getattr(task, part) for task in run.search.tasks for part in parts)
    return float(sum(seconds))


def _sample(pairs: Iterable[tuple[int, float]]) -> Sample | None:
    seeds, values = [], []
    for seed, value in sorted(pairs):
        seeds.append(seed)
        values.append(value)
    return Sample(tuple(seeds), tuple(values)) if seeds else None


def _scaled(sample: Sample | None, factor: float) -> Sample | None:
    if sample is None:
        return None
    return Sample(sample.seeds, tuple(factor * value for value in sample.values))
