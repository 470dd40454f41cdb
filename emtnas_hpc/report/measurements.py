"""What finished runs measured, as one tidy frame, and the values of a table's cells in it.

`_of_test` yields what is measured of a retrained network, `_of_search` of a search.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from emtnas_hpc.report.data_sets import is_medical
from emtnas_hpc.report.experiments import Family, Recipe
from emtnas_hpc.report.load import Run, SeedResult
from emtnas_hpc.report.search_frames import Counts, macs_of, mean_per_step, parameters_of
from emtnas_hpc.report.specs import RowSpec, TableSpec
from emtnas_hpc.report.table import Column, TableCell
from emtnas_hpc.retraining.record import METRICS, Retraining

#: What tells the values of a family's cells apart; a search has no recipe, its times no task.
_KEY = ["kind", "task", "found_on", "n_normal", "recipe", "quantity"]
#: Of the frame. A line is one value of one seed. Where `is_result` is False, the training diverged.
#: `final` says that a table of the paper may hold it: the search is finished, and the network is
#: what that search found in the end. `group` and `signature` are those of a retraining.
COLUMNS = (
    *("experiment", "seed", "task", "found_on", "n_normal", "recipe", "quantity"),
    *("value", "is_result", "final", "group", "signature"),
)

#: C of the retrained networks, where nothing was retrained: the paper's.
_CHANNELS = 48
_SECONDS_A_DAY = 86_400
_THREE_PARTS = ("seconds_training", "seconds_evaluation", "seconds_search")
#: True fitness chooses the incumbent, so measuring it is part of what a search costs.
TIMES = {
    "time_training": ("seconds_training",),
    "time_evaluation": ("seconds_evaluation", "seconds_true_fitness"),
    "time_search": ("seconds_search",),
    "time_total": (*_THREE_PARTS, "seconds_true_fitness"),
    "without_true_fitness_evaluation": ("seconds_evaluation",),
    "without_true_fitness_total": _THREE_PARTS,
}
_PER_STEP: dict[str, Counts] = {
    "mean_parameters": partial(parameters_of, slices="all"),
    "mean_macs": macs_of,
}
#: The quantity of the frame that a column shows, where it is not the one of its name.
_MEASURED_AS = {
    "transfer": "accuracy",
    "device_days": "time_total",
    "without_true_fitness_days": "without_true_fitness_total",
}


def measurements(runs: Iterable[Run]) -> pd.DataFrame:
    """One line for every value, in the unit that columns show; times in seconds."""
    lines = [line for run in runs for line in (*_of_search(run), *_of_networks(run))]
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype({"value": float, "is_result": bool, "final": bool})


def _of_search(run: Run) -> Iterator[dict[str, Any]]:
    if run.search is None or not run.finished:
        return
    line = {
        "experiment": run.search.header.experiment_signature,
        "seed": run.seed,
        "final": True,
        **dict.fromkeys(("task", "found_on", "recipe", "group", "signature"), ""),
        "n_normal": 0,
    }
    for result, task in zip(run.search.tasks, run.tasks, strict=True):
        is_result = {"is_result": result.diverged_in is None}
        value = 100 * result.true_fitness
        yield {**line, **is_result, "task": task, "quantity": "validation", "value": value}
    for quantity, parts in TIMES.items():
        value = sum(getattr(result, part) for result in run.search.tasks for part in parts)
        yield {**line, "is_result": not run.diverged(), "quantity": quantity, "value": value}


def _of_networks(run: Run) -> Iterator[dict[str, Any]]:
    fitting = run.incumbents_retrained if run.finished else ()
    sources = dict(zip(run.own_tasks, run.sources, strict=False))
    for retraining in filter(lambda r: r.finished, run.retrainings):
        header, task = retraining.header, run.known_task(retraining.header.task)
        line = {
            "experiment": "" if run.search is None else run.search.header.experiment_signature,
            "seed": run.seed,
            "task": task,
            "found_on": run.known_task(header.found_on or ""),
            "n_normal": header.shape.n_normal,
            "recipe": Recipe.of(retraining),
            "is_result": run.is_result(retraining),
            "final": retraining in fitting,
            "group": header.experiment_signature,
            "signature": header.signature,
        }
        has_auc = is_medical(task, sources.get(header.task, ""))
        for quantity, value in _of_test(retraining, has_auc=has_auc):
            yield {**line, "quantity": quantity, "value": value}


def _of_test(retraining: Retraining, *, has_auc: bool) -> Iterator[tuple[str, float]]:
    test = retraining.test
    assert test is not None
    for metric in METRICS:
        value = metric.value(test)
        if value is not None:
            yield metric.key, value
        elif has_auc and metric.key == "auc":
            # Of outputs that are no numbers it was never measured.
            yield metric.key, math.nan
    yield "parameters", retraining.parameters / 1e6
    yield "parameters_in_use", retraining.parameters_in_use / 1e6
    yield "macs", retraining.macs / 1e6


@dataclass
class CellValues:
    """What one experiment measured for a cell: values by seed, seeds that diverged, signatures."""

    values: dict[int, float] = field(default_factory=dict)
    diverged: set[int] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)


ValuesByCell = Mapping[tuple[Any, ...], CellValues]


def values_by_cell(frame: pd.DataFrame, family: Family) -> ValuesByCell:
    """The lines of a family's experiments by what tells its cells apart."""
    kinds = {experiment.signature: kind for kind, experiment in family.experiments.items()}
    mine = frame[frame.final & frame.experiment.isin(list(kinds))]
    mine = mine.assign(kind=[kinds[signature] for signature in mine.experiment])
    counted = mine[~mine.group.isin(_groups_with_fewer_seeds(mine[mine.quantity == "accuracy"]))]
    found: dict[tuple[Any, ...], CellValues] = defaultdict(CellValues)
    for line in counted.itertuples(index=False):
        cell = found[tuple(getattr(line, name) for name in _KEY)]
        cell.values[line.seed] = line.value
        if not line.is_result:
            cell.diverged.add(line.seed)
        if line.signature:
            cell.signatures.add(line.signature)
    return dict(found)


def _groups_with_fewer_seeds(networks: pd.DataFrame) -> list[str]:
    """Groups of retrainings beside one of the same cell that has more seeds which count.

    Only seeds of one signature are averaged.
    """
    sizes = (
        networks.groupby([*_KEY, "group"], sort=False).is_result.agg(["sum", "size"]).reset_index()
    )
    ordered = sizes.sort_values(["sum", "size"], ascending=False, kind="stable")
    return list(ordered.group[ordered.duplicated(_KEY)])


class Measured:
    """The values of one family, with networks that were retrained with one recipe.

    Attributes:
        recipe: None where nothing was retrained.
    """

    def __init__(self, cells: ValuesByCell, family: Family, recipe: Recipe | None = None) -> None:
        self._cells, self.family, self.recipe = cells, family, recipe

    @property
    def channels(self) -> int:
        """C of the retrained networks."""
        return _CHANNELS if self.recipe is None else self.recipe.channels

    def cell(self, spec: RowSpec, key: str) -> TableCell:
        """The values of a row in a column of this key, by seed; only finished seeds have any."""
        task, _, quantity = key.rpartition(".")
        if quantity in _PER_STEP:
            return self.per_step(spec, _PER_STEP[quantity], self.channels, spec.n_normal)
        cell = self._summed(spec, task, quantity)
        if quantity in ("device_days", "without_true_fitness_days"):
            return cell.scaled(lambda seconds: seconds / _SECONDS_A_DAY)
        if quantity not in TIMES:
            return cell
        base = self._summed(spec.baseline, task, quantity).estimate
        if base is None or not base.mean:
            return TableCell()
        return cell.scaled(lambda seconds: 100 * (seconds / base.mean - 1))

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
    ) -> TableCell:
        """Mean over the training steps of all searches of a row, by seed, in millions.

        The networks that are counted are the search's own, or have these channels and normal cells.
        """
        searches: dict[int, list[SeedResult]] = defaultdict(list)
        for experiment in filter(lambda e: e.finished, self.family.find(spec.kinds)):
            for search in experiment.results:
                searches[search.header.seed].append(search)
        whole = {seed: each for seed, each in searches.items() if len(each) == len(spec.kinds)}
        diverged = [seed for seed, each in whole.items() if any(one.diverged for one in each)]
        means = {
            seed: mean_per_step(each, count, channels, n_normal) / 1e6
            for seed, each in whole.items()
            if seed not in diverged
        }
        return TableCell.of(means, diverged)

    def used(self, spec: TableSpec) -> set[str]:
        """Signatures of the retrainings that a table is filled with, or tested against."""
        rows = [row.spec for row in spec.rows if row.spec is not None]
        columns = [(column.task or "", column.quantity) for column in spec.columns]
        return {
            signature
            for row in {*rows, *(row.baseline for row in rows)}
            for column in columns
            for part in self._parts(row, *column)
            for signature in part.signatures
        }

    def _summed(self, spec: RowSpec, task: str, quantity: str) -> TableCell:
        """The sum of all lines that a cell needs, for seeds that have each of them."""
        found = self._parts(spec, task, quantity)
        if not found:
            return TableCell()
        seeds = set.intersection(*(set(part.values) for part in found))
        values = {seed: sum(part.values[seed] for part in found) for seed in seeds}
        return TableCell.of(values, set.union(*(part.diverged for part in found)) & seeds)

    def _parts(self, spec: RowSpec, task: str, quantity: str) -> list[CellValues]:
        """All lines that a cell needs; none where one of them is not there."""
        keys = self._keys(spec, task, _MEASURED_AS.get(quantity, quantity), quantity == "transfer")
        found = [self._cells[key] for key in keys if key in self._cells]
        return found if len(found) == len(keys) else []

    def _keys(
        self, spec: RowSpec, task: str, quantity: str, transferred: bool
    ) -> list[tuple[Any, ...]]:
        """Of each line that a cell needs: one of each of its row's experiments that has any."""
        found_on: str | None
        key: tuple[Any, ...]
        if not task:
            found_on, key = spec.found_on, ("", "", 0, "", quantity)
        elif quantity == "validation":
            found_on, key = task, (task, "", 0, "", quantity)
        else:
            found_on = spec.found_on or task
            if transferred:
                (found_on,) = (other for other in spec.tasks if other != task)
            key = (task, found_on, spec.n_normal, self.recipe, quantity)
        return [(kind, *key) for kind in spec.kinds if found_on is None or found_on in kind.tasks]
