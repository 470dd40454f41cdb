"""What finished runs measured, as one tidy frame, and the values of a table's rows in it."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd

from emtnas_hpc.report.experiments import Family, Recipe, RowSpec, seed_of
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.search_arrays import Counts, Trace, macs_of, parameters_of
from emtnas_hpc.report.table import Cell, Column
from emtnas_hpc.retraining.record import Retraining

#: Of the frame. A line is one value of one seed: of a task's search, of a whole search (no task),
#: or of a retrained network (with its recipe). Where `counts` is False, the training diverged.
#: `fits` says that a table of the paper may hold it: the search is finished, and the network is
#: what that search found in the end. `group` and `signature` are those of a retraining.
COLUMNS = (
    *("experiment", "seed", "task", "found_on", "n_normal", "recipe", "quantity"),
    *("value", "counts", "fits", "group", "signature"),
)
#: What tells the values of a family's cells apart.
_KEY = ["kind", "task", "found_on", "n_normal", "recipe", "quantity"]

Parts = Mapping[tuple[Any, ...], "Part"]

#: C of the retrained networks, where nothing was retrained: the paper's.
_CHANNELS = 48
_SECONDS_A_DAY = 86_400
TIMES = {
    "time_training": ("seconds_training",),
    "time_evaluation": ("seconds_evaluation",),
    "time_search": ("seconds_search",),
    "time_total": ("seconds_training", "seconds_evaluation", "seconds_search"),
}
_PER_STEP: dict[str, Counts] = {
    "mean_parameters": partial(parameters_of, slices="all"),
    "mean_macs": macs_of,
}
#: The quantity of the frame that a column shows, where it is not the one of its name.
_SHOWS = {"transfer": "accuracy", "device_days": "time_total"}


def measurements(runs: Iterable[Run]) -> pd.DataFrame:
    """One line for every value, in the unit that columns show; times in seconds."""
    lines = [line for run in runs for line in (*_of_search(run), *_of_networks(run))]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype({"value": float, "counts": bool, "fits": bool})


def _of_search(run: Run) -> Iterator[tuple[Any, ...]]:
    if run.search is None:
        return
    about = (run.search.experiment_signature, seed_of(run))
    for result, task in zip(run.search.tasks, run.tasks, strict=True):
        value, counts = 100 * result.true_fitness, result.diverged_in is None
        yield (*about, task, "", 0, "", "validation", value, counts, run.finished, "", "")
    for quantity, parts in TIMES.items():
        value = sum(getattr(result, part) for result in run.search.tasks for part in parts)
        yield (*about, "", "", 0, "", quantity, value, not run.diverged(), run.finished, "", "")


def _of_networks(run: Run) -> Iterator[tuple[Any, ...]]:
    experiment = "" if run.search is None else run.search.experiment_signature
    fitting = incumbents_retrainings(run) if run.finished else []
    for retraining in run.retrainings:
        if not retraining.finished:
            continue
        header = retraining.header
        about = (
            *(experiment, seed_of(run), _known(run, header.task)),
            *(_known(run, header.found_on), header.shape.n_normal, Recipe.of(retraining)),
        )
        counts, fits = run.counts(retraining), retraining in fitting
        of_it = (counts, fits, header.experiment_signature, header.signature)
        for quantity, value in _values(retraining, counts):
            yield (*about, quantity, value, *of_it)


def _values(retraining: Retraining, counts: bool) -> Iterator[tuple[str, float]]:
    test = retraining.test
    assert test is not None
    yield "accuracy", 100 * test.accuracy
    if test.top5 is not None:
        yield "top5", 100 * test.top5
    # An area under the curve of outputs that are no numbers was never measured.
    if test.auc is not None or not counts:
        yield "auc", math.nan if test.auc is None else test.auc
    yield "parameters", retraining.parameters / 1e6
    yield "parameters_in_use", retraining.parameters_in_use / 1e6
    yield "macs", retraining.macs / 1e6


@dataclass
class Part:
    """What one experiment measured for a cell: values by seed, seeds that diverged, signatures."""

    values: dict[int, float] = field(default_factory=dict)
    diverged: set[int] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)


def parts_of(frame: pd.DataFrame, family: Family) -> Parts:
    """The lines of a family's experiments by what tells its cells apart."""
    kinds = {experiment.signature: kind for kind, experiment in family.experiments.items()}
    mine = frame[frame.fits & frame.experiment.isin(list(kinds))]
    mine = mine.assign(kind=[kinds[signature] for signature in mine.experiment])
    counted = mine[~mine.group.isin(_outvoted(mine[mine.quantity == "accuracy"]))]
    parts: dict[tuple[Any, ...], Part] = defaultdict(Part)
    for line in counted.itertuples(index=False):
        part = parts[tuple(getattr(line, name) for name in _KEY)]
        part.values[line.seed] = line.value
        if not line.counts:
            part.diverged.add(line.seed)
        if line.signature:
            part.signatures.add(line.signature)
    return dict(parts)


def _outvoted(networks: pd.DataFrame) -> list[str]:
    """Groups of retrainings beside one of the same cell that has more seeds which count.

    Only seeds of one signature are averaged.
    """
    sizes = networks.groupby([*_KEY, "group"], sort=False).counts.agg(["sum", "size"]).reset_index()
    ordered = sizes.sort_values(["sum", "size"], ascending=False, kind="stable")
    return list(ordered.group[ordered.duplicated(_KEY)])


class Measured:
    """The values of one family, with networks that were retrained with one recipe.

    Attributes:
        family: of experiments.
        recipe: of the networks; None where nothing was retrained.
        used: signatures of the retrainings that cells were filled with.
    """

    def __init__(self, parts: Parts, family: Family, recipe: Recipe | None) -> None:
        self._parts, self.family, self.recipe = parts, family, recipe
        self.used: set[str] = set()

    @property
    def channels(self) -> int:
        """C of the retrained networks."""
        return _CHANNELS if self.recipe is None else self.recipe.channels

    def cell(self, spec: RowSpec, key: str) -> Cell:
        """The values of a row in a column of this key, by seed; only finished seeds have any."""
        task, _, quantity = key.rpartition(".")
        if quantity in _PER_STEP:
            return self.per_step(spec, _PER_STEP[quantity], self.channels, spec.n_normal)
        cell = self._summed(spec, task, quantity)
        if quantity == "device_days":
            return _scaled(cell, lambda seconds: seconds / _SECONDS_A_DAY)
        if quantity in TIMES:
            base = self._summed(spec.baseline, task, quantity).estimate
            if base is None or not base.mean:
                return Cell()
            return _scaled(cell, lambda seconds: 100 * (seconds / base.mean - 1))
        return cell

    def missing(self, spec: RowSpec, column: Column) -> str:
        """What to say where there is no value."""
        if column.task is not None and column.task not in spec.tasks and spec.found_on is None:
            return ""
        if column.quantity == "transfer" and spec.joint:
            return "-"
        if column.quantity in TIMES and self._summed(spec, "", column.quantity).n:
            return "no baseline"
        return "not run"

    def per_step(
        self, spec: RowSpec, count: Counts, channels: int | None = None, n_normal: int | None = None
    ) -> Cell:
        """Mean over the training steps of all searches of a row, by seed, in millions.

        Args:
            spec: of the row.
            count: counts something in networks.
            channels: of the networks; None for the search's own.
            n_normal: normal cells between their reductions; likewise.
        """
        runs: dict[int, list[Run]] = defaultdict(list)
        for experiment in self.family.find(spec.kinds):
            for run in experiment.finished:
                runs[seed_of(run)].append(run)
        whole = {seed: each for seed, each in runs.items() if len(each) == len(spec.kinds)}
        diverged = [seed for seed, each in whole.items() if any(run.diverged() for run in each)]
        return Cell.of(
            {
                seed: mean_per_step([r.trace for r in each if r.trace], count, channels, n_normal)
                / 1e6
                for seed, each in whole.items()
                if seed not in diverged
            },
            diverged,
        )

    def _summed(self, spec: RowSpec, task: str, quantity: str) -> Cell:
        """The sum of all lines that a cell needs, for seeds that have each of them."""
        parts = [self._parts.get(key) for key in self._keys(spec, task, quantity)]
        found = [part for part in parts if part is not None]
        if not parts or len(found) < len(parts):
            return Cell()
        self.used.update(*(part.signatures for part in found))
        seeds = set.intersection(*(set(part.values) for part in found))
        values = {seed: sum(part.values[seed] for part in found) for seed in seeds}
        return Cell.of(values, set.union(*(part.diverged for part in found)) & seeds)

    def _keys(self, spec: RowSpec, task: str, quantity: str) -> list[tuple[Any, ...]]:
        shown = _SHOWS.get(quantity, quantity)
        if not task:
            kinds = [k for k in spec.kinds if spec.found_on is None or spec.found_on in k.tasks]
            return [(kind, "", "", 0, "", shown) for kind in kinds]
        if quantity == "validation":
            return [(kind, task, "", 0, "", shown) for kind in spec.kinds if task in kind.tasks]
        found_on = spec.found_on or task
        if quantity == "transfer":
            (found_on,) = (other for other in spec.tasks if other != task)
        return [
            (kind, task, found_on, spec.n_normal, self.recipe, shown)
            for kind in spec.kinds
            if found_on in kind.tasks
        ]


def mean_per_step(
    traces: Sequence[Trace], count: Counts, channels: int | None = None, n_normal: int | None = None
) -> float:
    """Each time that an architecture was trained on a mini-batch it counts once, whatever the task.

    Args:
        traces: of searches with at least one training step.
        count: counts something in networks.
        channels: of the networks; None for the search's own.
        n_normal: normal cells between their reductions; likewise.
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


def _known(run: Run, task: str | None) -> str:
    """A task of a run by the name that the tables know; another data set as it is called."""
    if task is None or run.search is None:
        return task or ""
    own = {result.task: name for result, name in zip(run.search.tasks, run.tasks, strict=True)}
    return own.get(task, task)


def _scaled(cell: Cell, scale: Callable[[float], float]) -> Cell:
    values = zip(cell.seeds, cell.values, strict=True)
    return Cell.of({seed: scale(value) for seed, value in values}, cell.diverged)
