"""Every column of values that a table may have, and the values of one cell, one a seed."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from emtnas_hpc.report.counting import Counts, macs_of, parameters_of
from emtnas_hpc.report.experiments import Experiment, Family, Kind, Recipe, RowSpec, seed_of
from emtnas_hpc.report.load import Run, TaskResult
from emtnas_hpc.report.load import heading as data_set_heading
from emtnas_hpc.report.search_arrays import Trace
from emtnas_hpc.report.table import NOT_RUN, Column, Sample, diverged_of, sample_of
from emtnas_hpc.retraining.record import Retraining

_TIME = (
    "Time: change of the wall clock of searches against the sum of the single-tasking ones, in "
    "percent; without queueing, repeated generations and the measurement of true fitness."
)
_MEAN = (
    "Mean params and MACs: over all training steps of the searches, of the architectures as they "
    "are retrained, every slice counted."
)


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a column may have in it.

    Attributes:
        heading: `{}` stands for the data set.
        decimals: that are shown.
        meaning: a note, empty where the heading says it.
        value: what a finished retraining says, in the column's unit; None for what searches say.
        signed: whether a plus is shown too.
        tested: whether means are compared with the baseline's.
        widens: whether small values are shown with more decimals.
        optional: whether it is left out where no run has it.
    """

    heading: str
    decimals: int
    meaning: str = ""
    value: Callable[[Retraining], float | None] | None = None
    signed: bool = False
    tested: bool = False
    widens: bool = False
    optional: bool = False


def _accuracy(retraining: Retraining) -> float | None:
    return None if retraining.test is None else 100 * retraining.test.accuracy


def _top5(retraining: Retraining) -> float | None:
    top5 = None if retraining.test is None else retraining.test.top5
    return None if top5 is None else 100 * top5


QUANTITIES = {
    "accuracy": Quantity(heading="{} (%)", decimals=2, value=_accuracy, tested=True),
    "top5": Quantity(heading="{} top-5 (%)", decimals=2, value=_top5),
    "auc": Quantity(
        heading="{} AUC",
        decimals=4,
        meaning="AUC: medmnist's evaluator, on the test set.",
        value=lambda r: None if r.test is None else r.test.auc,
        tested=True,
        optional=True,
    ),
    "transfer": Quantity(
        heading="{} transfer (%)",
        decimals=2,
        meaning="Transfer: the architecture found on the other data set, retrained on this one; "
        "compared with single-tasking's own.",
        value=_accuracy,
        tested=True,
    ),
    "parameters": Quantity(
        heading="{} params (M)",
        decimals=2,
        meaning="Params: every output slice of the 1x1 convolutions counted, which the paper's "
        "numbers agree with.",
        value=lambda r: r.parameters / 1e6,
        widens=True,
    ),
    "parameters_in_use": Quantity(
        heading="{} params in use (M)",
        decimals=2,
        value=lambda r: r.parameters_in_use / 1e6,
        widens=True,
    ),
    "macs": Quantity(
        heading="{} MACs (M)",
        decimals=1,
        meaning="MACs: of convolutions and classifier, for one image.",
        value=lambda r: r.macs / 1e6,
        widens=True,
    ),
    "validation": Quantity(
        heading="{} supernet validation (%)",
        decimals=2,
        meaning="Supernet validation: the incumbent's accuracy with the weights of the search on "
        "all validation images, before any retraining: how a search went, never which is better.",
    ),
    "device_days": Quantity(
        heading="GPU days",
        decimals=2,
        meaning="GPU days: wall clock of a row's searches together, on whatever device they ran, "
        "without the measurement of true fitness.",
        widens=True,
    ),
    "time_total": Quantity(heading="Total time (%)", decimals=1, meaning=_TIME, signed=True),
    "time_training": Quantity(heading="Training time (%)", decimals=1, meaning=_TIME, signed=True),
    "time_evaluation": Quantity(
        heading="Evaluation time (%)", decimals=1, meaning=_TIME, signed=True
    ),
    "time_search": Quantity(heading="Search time (%)", decimals=1, meaning=_TIME, signed=True),
    "mean_parameters": Quantity(heading="Mean params (M)", decimals=2, meaning=_MEAN, widens=True),
    "mean_macs": Quantity(heading="Mean MACs (M)", decimals=0, meaning=_MEAN, widens=True),
}


def column(
    quantity: str,
    task: str | None = None,
    *,
    name: str | None = None,
    decimals: int | None = None,
    heading: str | None = None,
) -> Column:
    """A column of a quantity.

    Args:
        quantity: a key of `QUANTITIES`.
        task: the data set that it is about, if any.
        name: what the heading calls it instead; may be empty.
        decimals: instead of the quantity's.
        heading: instead of the quantity's.
    """
    found = QUANTITIES[quantity]
    if name is None:
        name = "" if task is None else data_set_heading(task)
    text = (heading or found.heading.format(name)).strip()
    return Column(
        quantity if task is None else f"{task}.{quantity}",
        text[:1].upper() + text[1:] if not name else text,
        found.decimals if decimals is None else decimals,
        signed=found.signed,
        tested=found.tested,
    )


def mean_per_step(
    traces: Iterable[Trace], count: Counts, channels: int | None = None, n_normal: int | None = None
) -> float:
    """Each time that an architecture was trained on a mini-batch it counts once, whatever the task.

    Args:
        traces: of searches with at least one training step.
        count: counts something in a network.
        channels: of the network; None for the search's own.
        n_normal: normal cells between its reductions; likewise.
    """
    total = steps = 0
    for trace in traces:
        trained = trace.n_steps > 0
        for task, header in enumerate(trace.header.tasks):
            chosen = trained & (trace.tasks == task)
            shape = replace(
                header.shape,
                channels=channels or header.shape.channels,
                n_normal=n_normal or header.shape.n_normal,
            )
            n_steps = trace.n_steps[chosen]
            total += int(n_steps @ count(trace.chromosomes[chosen], shape))
            steps += int(n_steps.sum())
    return total / steps


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
