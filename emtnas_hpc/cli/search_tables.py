"""What searches found, on the screen: how they went, before any retraining."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as RichTable

from emtnas_hpc.cli.screen import make_table
from emtnas_hpc.report import Row, Run, Table, search_notes, search_tables
from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.formats import shown


def print_searches(screen: Console, runs: Sequence[Run]) -> None:
    """Prints a table for every experiment, and below all of them what their columns are."""
    tables = search_tables(runs)
    for table in tables:
        screen.print(table.title, markup=False, style="bold")
        screen.print(_grid(table))
        for note in table.diverged_notes:
            screen.print(note, markup=False)
        screen.print()
    for note in search_notes(experiments_of(runs)) if tables else ():
        screen.print(note, markup=False)


def _grid(table: Table) -> RichTable:
    grid = make_table()
    for label in table.labels:
        grid.add_column(label)
    for column in table.columns:
        grid.add_column(column.heading, justify="right")
    for row in table.rows:
        grid.add_row(*row.labels, *_cells(row, table))
    return grid


def _cells(row: Row, table: Table) -> list[str]:
    """The title says n. The one space of a value is where a narrow table may break it."""
    pairs = zip(row.entries, table.columns, strict=True)
    return [shown(entry, column, "ours").without_n for entry, column in pairs]
