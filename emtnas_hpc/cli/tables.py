"""The report on the screen, or as JSON."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from emtnas_hpc.cli.formats import format_statistic
from emtnas_hpc.cli.screen import make_table, open_screen
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.report import Collection, Summary, TaskSummary, collect, summarise

#: Column, quantity, factor from the stored unit to the shown one, decimals.
_COLUMNS = (
    ("true %", "true_fitness", 100.0, 2),
    ("first %", "first_true_fitness", 100.0, 2),
    ("sampled %", "sampled_accuracy", 100.0, 2),
    ("params M", "parameters", 1e-6, 3),
    ("MACs M", "macs", 1e-6, 2),
    ("train s", "seconds_training", 1.0, 1),
    ("eval. s", "seconds_evaluation", 1.0, 1),
    ("search s", "seconds_search", 1.0, 2),
)


def print_report(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the report of these run directories on stdout, and what could not be read on stderr.

    Raises:
        EmtnasError: none of them has a readable commit.
    """
    collection = collect(directories)
    for problem in collection.problems:
        print(f"skipped {problem}", file=sys.stderr)
    if not collection.results:
        raise EmtnasError(f"no commit that can be read in {', '.join(map(str, directories))}")
    summaries = summarise(collection.results)
    if as_json:
        print(json.dumps(_all(collection, summaries), indent=2, allow_nan=False))
        return
    screen = open_screen()
    names = [summary.name for summary in summaries]
    for summary in summaries:
        screen.print(_title(summary, names), markup=False, style="bold")
        screen.print(_table(summary))
        screen.print()
    for note in _notes(summaries):
        screen.print(note, markup=False)


def _title(summary: Summary, names: Sequence[str]) -> str:
    settings = summary.experiment_signature[:8]
    which = f" (settings {settings})" if names.count(summary.name) > 1 else ""
    plural = "s" if len(summary.seeds) > 1 else ""
    unfinished = f", not finished: {_listed(summary.unfinished)}" if summary.unfinished else ""
    return (
        f"{summary.name}{which}: seed{plural} {_listed(summary.seeds)} (n = {len(summary.seeds)})"
        f"{unfinished}"
    )


def _table(summary: Summary) -> Table:
    table = make_table()
    table.add_column("task")
    for heading, *_rest in _COLUMNS:
        table.add_column(heading, justify="right")
    for task in summary.tasks:
        table.add_row(task.task, *(_cell(task, *column[1:]) for column in _COLUMNS))
    return table


def _cell(task: TaskSummary, quantity: str, scale: float, decimals: int) -> str:
    statistic = task.quantities[quantity]
    return format_statistic(statistic.mean, statistic.std, scale, decimals)


def _notes(summaries: Sequence[Summary]) -> list[str]:
    modes = sorted({summary.batch_norm for summary in summaries})
    conditions = [
        f"Equal bits are not promised: {summary.name}, seed {seed}, went on with {'; '.join(what)}."
        for summary in summaries
        for seed, what in summary.condition_changes.items()
    ]
    return [
        f"Mean ± sample standard deviation over seeds; batch norm {' / '.join(modes)}.",
        "true: the incumbent's accuracy on the whole validation set; first: of generation 1's "
        "fittest; sampled: the incumbent's on its mini-batch.",
        "params, MACs: of the incumbent in the search's network, output slices in use; MACs of "
        "convolutions and classifier.",
        *conditions,
    ]


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _all(collection: Collection, summaries: Sequence[Summary]) -> dict[str, Any]:
    values = {
        "experiments": [asdict(summary) for summary in summaries],
        "seeds": [asdict(result) for result in collection.results],
        "problems": list(collection.problems),
    }
    return {name: plain(value) for name, value in values.items()}


def plain(value: Any) -> Any:
    """As JSON has it: what was not measured is null, a path is text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
