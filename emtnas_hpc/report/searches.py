"""How searches went: a table, plain values and tidy lines of every experiment."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emtnas_hpc.report.experiments import ExperimentRuns, experiments_of
from emtnas_hpc.report.load import Run, TaskResult
from emtnas_hpc.report.table import Column, Row, Table, TableCell, list_seeds


@dataclass(frozen=True)
class SearchColumn:
    """What is said of a task's searches: `key` is of a `TaskResult`, `scale` makes it `unit`.

    `wide` leaves it out of a narrow table, which is what a screen has room for.
    """

    key: str
    name: str
    unit: str
    scale: float
    decimals: int
    wide: bool = False

    def value(self, result: TaskResult) -> float:
        """What a seed found, in the unit that is shown; nan where it was not measured."""
        return self.scale * float(getattr(result, self.key))


SEARCH_COLUMNS = (
    SearchColumn("true_fitness", "true", "%", scale=100.0, decimals=2),
    SearchColumn("first_true_fitness", "first", "%", scale=100.0, decimals=2),
    SearchColumn("sampled_accuracy", "sampled", "%", scale=100.0, decimals=2),
    SearchColumn("parameters", "params", "M", scale=1e-6, decimals=3),
    SearchColumn("macs", "MACs", "M", scale=1e-6, decimals=2),
    SearchColumn("seconds_training", "train", "s", scale=1.0, decimals=1),
    SearchColumn("seconds_evaluation", "eval.", "s", scale=1.0, decimals=1),
    SearchColumn("seconds_search", "search", "s", scale=1.0, decimals=2),
    SearchColumn("seconds_true_fitness", "true fitness", "s", scale=1.0, decimals=1, wide=True),
    SearchColumn("mean_drop", "drop", "points", scale=100.0, decimals=2, wide=True),
    SearchColumn("mean_gap", "gap", "points", scale=100.0, decimals=2, wide=True),
)
#: Of `search_lines`.
CSV_COLUMNS = (
    *("experiment", "seed", "task", "quantity", "value", "unit", "generation", "n_generations"),
    *("diverged", "batch_norm", "experiment_signature", "directory"),
)
_NOTES = (
    "Mean ± sample standard deviation over seeds. These are the supernet's accuracies on "
    "validation images: how a search went, never which setting is better.",
    "true: the incumbent's accuracy on the whole validation set; first: of generation 1's "
    "fittest; sampled: the incumbent's on its mini-batch.",
    "params, MACs: of the incumbent in the search's network, output slices in use; MACs of "
    "convolutions and classifier.",
)
DROP_AND_GAP = (
    "drop: how far the fittest's true accuracy falls from a generation to the next, 0 where it "
    "rises; gap: how far what selection saw is from it; mean over generations, in points."
)
_WIDE_NOTES = (
    "train, eval., search, true fitness: seconds of sampled training, sampled evaluation, the "
    "operators, and of the passes over the whole validation set that choose the incumbent.",
    DROP_AND_GAP,
)


def search_table(experiment: ExperimentRuns, *, narrow: bool = False) -> Table:
    """A row a task: mean and deviation over the seeds that did not diverge."""
    shown = [column for column in SEARCH_COLUMNS if not (narrow and column.wide)]
    results = experiment.results
    unfinished = (
        f", {list_seeds(experiment.unfinished)} not finished" if experiment.unfinished else ""
    )
    if unfinished and experiment.finished:
        unfinished += " and left out"
    rows = []
    for task, by_seed in _by_task(experiment):
        values = [{s: column.value(r) for s, r in by_seed.items()} for column in shown]
        diverged = _diverged(by_seed)
        rows.append(Row(task, (task,), tuple(TableCell.of(each, diverged) for each in values)))
    table = Table(
        f"searches-{experiment.key}",
        f"{experiment.title}: {list_seeds(r.header.seed for r in results)} (n = {len(results)})"
        f"{unfinished}; supernet, batch norm {results[0].header.batch_norm}",
        ("task",),
        columns=tuple(Column(c.key, f"{c.name} {c.unit}", c.decimals) for c in shown),
        rows=tuple(rows),
    )
    notes = (*table.diverged_notes(), *search_notes([experiment], narrow=narrow))
    return replace(table, notes=notes)


def search_notes(experiments: Sequence[ExperimentRuns], *, narrow: bool = False) -> list[str]:
    """What the columns are, and what speaks against a seed."""
    results = [(f"{e.title}, seed {r.header.seed}", r) for e in experiments for r in e.results]
    changed = [
        f"Equal bits are not promised: {who}, went on with {'; '.join(r.condition_changes)}."
        for who, r in results
        if r.condition_changes
    ]
    diverged = [
        f"The training loss diverged: {who}, {'; '.join(r.diverged)}."
        for who, r in results
        if r.diverged
    ]
    return [*_NOTES, *(() if narrow else _WIDE_NOTES), *changed, *diverged]


def search_values(experiment: ExperimentRuns) -> dict[str, Any]:
    """The same as plain values in stored units; who diverged is named with its generation."""
    results = {result.header.seed: result for result in experiment.results}
    changes = {seed: r.condition_changes for seed, r in results.items() if r.condition_changes}
    return {
        "name": experiment.name,
        "experiment_signature": experiment.signature,
        "seeds": list(results),
        "unfinished": experiment.unfinished,
        "batch_norm": experiment.results[0].header.batch_norm,
        "condition_changes": changes,
        "diverged": {seed: r.diverged for seed, r in results.items() if r.diverged},
        "tasks": [
            {
                "task": task,
                "quantities": {c.key: _statistic(c.key, by_seed) for c in SEARCH_COLUMNS},
                "diverged": _diverged(by_seed),
            }
            for task, by_seed in _by_task(experiment)
        ],
    }


def search_lines(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """A line for every seed, finished or not, task and quantity.

    `diverged` is the first generation whose training loss is no finite number; such a seed is in no
    mean.
    """
    for experiment in experiments_of(runs):
        results = [run.search for run in experiment.runs if run.search is not None]
        for search, task in ((result, task) for result in results for task in result.tasks):
            for column in SEARCH_COLUMNS:
                value = column.value(task)
                yield {
                    "experiment": experiment.title,
                    "seed": search.header.seed,
                    "task": task.task,
                    "quantity": column.key,
                    # As it was before it was scaled: 45.23, not 45.230000000000004.
                    "value": None if math.isnan(value) else f"{value:.12g}",
                    "unit": column.unit,
                    "generation": search.generation,
                    "n_generations": search.header.n_generations,
                    "diverged": task.diverged_in,
                    "batch_norm": search.header.batch_norm,
                    "experiment_signature": experiment.signature,
                    "directory": search.directory,
                }


def _by_task(experiment: ExperimentRuns) -> Iterator[tuple[str, dict[int, TaskResult]]]:
    for index, task in enumerate(experiment.own_tasks):
        yield task, {result.header.seed: result.tasks[index] for result in experiment.results}


def _diverged(by_seed: Mapping[int, TaskResult]) -> list[int]:
    return [seed for seed, result in by_seed.items() if result.diverged_in is not None]


def _statistic(key: str, by_seed: Mapping[int, TaskResult]) -> dict[str, float]:
    values = {s: float(getattr(r, key)) for s, r in by_seed.items() if r.diverged_in is None}
    found = TableCell.of(values).estimate
    return {
        "mean": math.nan if found is None else found.mean,
        "std": math.nan if found is None else found.std,
    }
