"""The values of one cell, one a seed: from a row, a column and a family of experiments."""

import math
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
from emtnas_hpc.report.table import NOT_RUN, Column, Sample, diverged_of, sample_of

#: Seeds with what they measured; nan where they diverged.
Pairs = list[tuple[int, float]]

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
        """The values of the finished seeds that did not diverge; None where there are none."""
        return sample_of(self._pairs(row, column))

    def diverged(self, row: RowSpec, column: Column) -> tuple[int, ...]:
        """The finished seeds that did.

        Where one of a row's searches diverged, so did the seed: its times and sizes are left out,
        too.
        """
        return diverged_of(self._pairs(row, column))

    def _pairs(self, row: RowSpec, column: Column) -> Pairs:
        quantity, task = column.quantity, column.task
        if QUANTITIES[quantity].value is not None:
            assert task is not None
            return self._retrained(row, task, quantity)
        if quantity == "validation":
            assert task is not None
            return self._validation(row, task)
        if quantity == "device_days":
            seconds = self._seconds(row, _TIMES["time_total"])
            return [(seed, value / _SECONDS_A_DAY) for seed, value in seconds]
        if quantity in _TIMES:
            return self._change(row, _TIMES[quantity])
        return self._per_step(row, _COUNTS[quantity], self.channels, row.n_normal)

    def _retrainings(self, row: RowSpec, task: str, found_on: str) -> list[tuple[Run, Retraining]]:
        """Runs with their finished retrainings of the row on a task, of the task's incumbents."""
        kinds = [kind for kind in row.kinds if found_on in kind.tasks]
        groups: dict[str, list[tuple[Run, Retraining]]] = defaultdict(list)
        for run in self._finished(kinds):
            for retraining in incumbents_retrainings(run):
                header = retraining.header
                if (
                    retraining.finished
                    and (known(run, header.task), known(run, header.found_on)) == (task, found_on)
                    and header.shape.n_normal == row.n_normal
                    and Recipe.of(retraining) == self.recipe
                ):
                    groups[header.experiment_signature].append((run, retraining))
        # Only seeds of one signature are averaged: of several, those with the most that count.
        chosen = max(groups.values(), key=_n_that_count, default=[])
        self.used.update(retraining.header.signature for _run, retraining in chosen)
        return chosen

    def _retrained(self, row: RowSpec, task: str, quantity: str) -> Pairs:
        found_on = row.found_on or task
        sources = [found_on]
        if quantity == "transfer":
            sources = [other for other in row.tasks if other != task]
        return pairs_of(
            [each for source in sources for each in self._retrainings(row, task, source)], quantity
        )

    def _validation(self, row: RowSpec, task: str) -> Pairs:
        kinds = [kind for kind in row.kinds if task in kind.tasks]
        results = ((seed_of(run), _task_of(run, task)) for run in self._finished(kinds))
        return [
            (seed, math.nan if found.diverged_in else 100 * found.true_fitness)
            for seed, found in results
        ]

    def missing(self, row: RowSpec, column: Column) -> str:
        """What to say where there is no value."""
        if column.task is not None and column.task not in row.tasks and row.found_on is None:
            return ""
        if column.quantity == "transfer" and row.joint:
            return "-"
        if column.quantity in _TIMES and self._seconds(row, _TIMES[column.quantity]):
            return "no baseline"
        return NOT_RUN

    def _seconds(self, row: RowSpec, parts: tuple[str, ...]) -> Pairs:
        """Wall clock of all searches of the row together, by seed; nothing if one has not run."""
        kinds = [k for k in row.kinds if row.found_on is None or row.found_on in k.tasks]
        by_kind = [
            {seed_of(run): _sum(run, parts) for run in self._finished([kind])} for kind in kinds
        ]
        shared = set.intersection(*(set(seconds) for seconds in by_kind))
        return [(seed, sum(seconds[seed] for seconds in by_kind)) for seed in sorted(shared)]

    def _change(self, row: RowSpec, parts: tuple[str, ...]) -> Pairs:
        """Against the mean of the single-tasking searches, in percent."""
        before = sample_of(self._seconds(row.baseline, parts))
        if before is None or not before.estimate.mean:
            return []
        base = before.estimate.mean
        return [(seed, 100 * (value / base - 1)) for seed, value in self._seconds(row, parts)]

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
        return sample_of(self._per_step(row, count, channels, n_normal))

    def _per_step(
        self, row: RowSpec, count: Counts, channels: int | None, n_normal: int | None
    ) -> Pairs:
        traces: dict[int, list[Trace]] = defaultdict(list)
        diverged = set()
        for run in self._finished(row.kinds):
            traces[seed_of(run)] += [] if run.trace is None else [run.trace]
            diverged |= {seed_of(run)} if run.diverged() else set()
        whole = (seed for seed, each in traces.items() if len(each) == len(row.kinds))
        return [
            (
                seed,
                math.nan
                if seed in diverged
                else mean_per_step(traces[seed], count, channels, n_normal) / 1e6,
            )
            for seed in whole
        ]

    def _finished(self, kinds: Iterable[Kind]) -> list[Run]:
        experiments: list[Experiment] = self.family.find(kinds)
        return [run for experiment in experiments for run in experiment.finished]


def pairs_of(retrained: Iterable[tuple[Run, Retraining]], quantity: str) -> Pairs:
    """What finished retrainings say of a quantity, by seed; nan where they are no result."""
    found = QUANTITIES[quantity]
    assert found.value is not None
    pairs = []
    for run, retraining in retrained:
        value = found.value(retraining)
        # An area under the curve of outputs that are no numbers was never measured.
        if not run.counts(retraining) and (value is not None or found.optional):
            value = math.nan
        if value is not None:
            pairs.append((seed_of(run), value))
    return pairs


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


def _n_that_count(retrained: list[tuple[Run, Retraining]]) -> tuple[int, int]:
    return sum(run.counts(retraining) for run, retraining in retrained), len(retrained)


def _sum(run: Run, parts: tuple[str, ...]) -> float:
    """Of a run's tasks; nan if its search diverged."""
    assert run.search is not None
    if run.diverged():
        return math.nan
    seconds = (getattr(task, part) for task in run.search.tasks for part in parts)
    return float(sum(seconds))
