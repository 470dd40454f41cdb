"""How searches went: a table, plain values and tidy lines of every experiment."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.load import Run, SeedResult, TaskResult
from emtnas_hpc.report.table import Cell, Column, Row, Table, list_seeds


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

    def value(self, result: TaskResult) -> float:
        """What a seed found, in the unit that is shown; nan where it was not measured."""
        return self.scale * float(getattr(result, self.key))


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


def search_table(experiment: Experiment) -> Table:
    """A row a task: mean and deviation over the seeds that did not diverge."""
    results = _averaged(experiment)
    unfinished = (
        f", {list_seeds(experiment.unfinished)} not finished" if experiment.unfinished else ""
    )
    if unfinished and experiment.finished:
        unfinished += " and left out"
    rows = []
    for task, by_seed in _by_task(results):
        diverged = [seed for seed, result in by_seed.items() if result.diverged_in is not None]
        cells = (
            Cell.of({seed: column.value(result) for seed, result in by_seed.items()}, diverged)
            for column in SEARCH_COLUMNS
        )
        rows.append(Row(task, (task,), tuple(cells)))
    return Table(
        f"searches-{experiment.key}",
        f"{experiment.title}: {list_seeds(result.seed for result in results)} (n = {len(results)})"
        f"{unfinished}; supernet, batch norm {results[0].batch_norm}",
        ("task",),
        tuple(Column(c.key, f"{c.name} {c.unit}", c.decimals) for c in SEARCH_COLUMNS),
        tuple(rows),
    )


def search_notes(experiments: Sequence[Experiment]) -> list[str]:
    """What the columns are, and what speaks against a seed."""
    results = [(f"{e.name}, seed {r.seed}", r) for e in experiments for r in _averaged(e)]
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
    return [*_NOTES, *changed, *diverged]


def search_values(experiment: Experiment) -> dict[str, Any]:
    """The same as plain values in stored units; who diverged is named with its generation."""
    results = _averaged(experiment)
    return {
        "name": experiment.name,
        "experiment_signature": experiment.signature,
        "seeds": [result.seed for result in results],
        "unfinished": experiment.unfinished,
        "batch_norm": results[0].batch_norm,
        "condition_changes": {r.seed: r.condition_changes for r in results if r.condition_changes},
        "diverged": {r.seed: r.diverged for r in results if r.diverged},
        "tasks": [
            {
                "task": task,
                "quantities": {c.key: _statistic(c.key, by_seed) for c in SEARCH_COLUMNS},
                "diverged": [s for s, result in by_seed.items() if result.diverged_in is not None],
            }
            for task, by_seed in _by_task(results)
        ],
    }


def search_lines(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """A line for every seed, finished or not, task and quantity.

    `diverged` is the first generation whose training loss is no finite number; such a seed is in no
    mean.
    """
    for experiment in experiments_of(runs):
        results = [run.search for run in experiment.runs if run.search is not None]
        found = ((search, task) for search in results for task in search.tasks)
        for (search, task), column in product(found, SEARCH_COLUMNS):
            value = column.value(task)
            yield {
                "experiment": experiment.title,
                "seed": search.seed,
                "task": task.task,
                "quantity": column.key,
                # As it was before it was scaled: 45.23, not 45.230000000000004.
                "value": None if math.isnan(value) else f"{value:.12g}",
                "unit": column.unit,
                "generation": search.generation,
                "n_generations": search.n_generations,
                "diverged": task.diverged_in,
                "batch_norm": search.batch_norm,
                "experiment_signature": experiment.signature,
                "directory": search.directory,
            }


def _averaged(experiment: Experiment) -> list[SeedResult]:
    return [run.search for run in experiment.averaged if run.search is not None]


def _by_task(results: Sequence[SeedResult]) -> Iterator[tuple[str, dict[int, TaskResult]]]:
    for index, task in enumerate(results[0].tasks):
        yield task.task, {result.seed: result.tasks[index] for result in results}


def _statistic(key: str, by_seed: dict[int, TaskResult]) -> dict[str, float]:
    values = {s: float(getattr(r, key)) for s, r in by_seed.items() if r.diverged_in is None}
    found = Cell.of(values).estimate
    return {
        "mean": math.nan if found is None else found.mean,
        "std": math.nan if found is None else found.std,
    }
