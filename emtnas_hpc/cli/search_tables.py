"""What searches found, on the screen: how they went, before any retraining."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from emtnas_hpc.cli.screen import make_table
from emtnas_hpc.report import SEARCH_COLUMNS, SEARCH_NOTES, Summary


def print_searches(screen: Console, summaries: Sequence[Summary]) -> None:
    """Prints a table for every experiment, and below all of them what their columns are."""
    names = [summary.name for summary in summaries]
    for summary in summaries:
        screen.print(_title(summary, names), markup=False, style="bold")
        screen.print(_table(summary))
        screen.print()
    for note in _notes(summaries) if summaries else ():
        screen.print(note, markup=False)


def _title(summary: Summary, names: Sequence[str]) -> str:
    settings = summary.experiment_signature[:8]
    which = f" (settings {settings})" if names.count(summary.name) > 1 else ""
    unfinished = f", {_listed(summary.unfinished)} not finished" if summary.unfinished else ""
    if unfinished and set(summary.seeds).isdisjoint(summary.unfinished):
        unfinished += " and left out"
    seeds = f"{_listed(summary.seeds)} (n = {len(summary.seeds)}){unfinished}"
    return f"{summary.name}{which}: {seeds}; supernet, batch norm {summary.batch_norm}"


def _table(summary: Summary) -> Table:
    table = make_table()
    table.add_column("task")
    for column in SEARCH_COLUMNS:
        table.add_column(column.heading, justify="right")
    for task in summary.tasks:
        table.add_row(task.task, *(task.quantities[c.key].text(c) for c in SEARCH_COLUMNS))
    return table


def _notes(summaries: Sequence[Summary]) -> list[str]:
    conditions = [
        f"Equal bits are not promised: {summary.name}, seed {seed}, went on with {'; '.join(what)}."
        for summary in summaries
        for seed, what in summary.condition_changes.items()
    ]
    diverged = [
        f"The training loss diverged: {summary.name}, seed {seed}, {'; '.join(where)}."
        for summary in summaries
        for seed, where in summary.diverged.items()
    ]
    return [
        *SEARCH_NOTES,
        *conditions,
        *diverged,
    ]


def _listed(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
