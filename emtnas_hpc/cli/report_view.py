"""Tables of the paper and of searches on the screen."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from emtnas_hpc.cli.console import make_table
from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.table import Column, Entry, Row, Table, origins, shown
from emtnas_hpc.report.tables import search_notes, search_tables

# Tables of the paper on the screen: ours, and below it what was printed.
#
# A table that is wider than the screen is shown in several parts, one below the other.


_BEST = "bold"
_QUOTED = "dim"
#: Of two columns: a padding and a divider.
_GAP = 2


def print_tables(screen: Console, tables: Sequence[Table]) -> None:
    """Prints tables, each with its title above and its notes below."""
    for table in tables:
        screen.print(table.title, markup=False, style="bold")
        for part in _parts(table, screen.width):
            screen.print(_grid(table, part))
            screen.print()
        for note in table.notes:
            screen.print(note, markup=False)
        screen.print()


def _parts(table: Table, width: int) -> Iterator[list[int]]:
    """Columns that fit side by side, each part beside the labels."""
    labels = sum(_label_width(table, index) + _GAP for index in range(len(table.labels)))
    part: list[int] = []
    left = width - labels
    for index in range(len(table.columns)):
        needed = _width(table, index) + _GAP
        if part and needed > left:
            yield part
            part, left = [], width - labels
        part.append(index)
        left -= needed
    yield part


def _grid(table: Table, part: Sequence[int]) -> RichTable:
    grid = make_table()
    for index, label in enumerate(table.labels):
        grid.add_column(label, min_width=_label_width(table, index))
    for index in part:
        heading = table.columns[index].heading
        grid.add_column(heading, justify="right", min_width=_width(table, index))
    for row in table.rows:
        cells = [Text("\n").join(_lines(table, row, index)) for index in part]
        grid.add_row(*(Text(label) for label in row.labels), *cells)
    return grid


def _lines(table: Table, row: Row, index: int) -> Iterator[Text]:
    column, entry = table.columns[index], row.entries[index]
    if row.ours:
        yield _ours(entry, column)
    for origin in origins(table, index):
        text = "" if origin == "ours" else shown(entry, column, origin).full
        if text:
            yield Text(f"{origin} {text}" if row.ours else text, style=_QUOTED)


def _ours(entry: Entry, column: Column) -> Text:
    cell = shown(entry, column, "ours")
    style = _BEST if cell.bold else "" if cell.is_value else _QUOTED
    return Text(cell.full + "*" * cell.stars, style=style)


def _width(table: Table, index: int) -> int:
    """Of the longest line in a column; its heading may break between words."""
    lines = [line.cell_len for row in table.rows for line in _lines(table, row, index)]
    return max([*lines, _longest_word(table.columns[index].heading)])


def _label_width(table: Table, index: int) -> int:
    lines = [len(row.labels[index]) for row in table.rows]
    return max([*lines, _longest_word(table.labels[index])])


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def print_searches(screen: Console, runs: Sequence[Run]) -> None:
    """Prints a table for every experiment, and below all of them what their columns are."""
    tables = search_tables(runs)
    for table in tables:
        screen.print(table.title, markup=False, style="bold")
        screen.print(_search_grid(table))
        for note in table.diverged_notes:
            screen.print(note, markup=False)
        screen.print()
    for note in search_notes(experiments_of(runs)) if tables else ():
        screen.print(note, markup=False)


def _search_grid(table: Table) -> RichTable:
    grid = make_table()
    for label in table.labels:
        grid.add_column(label)
    for column in table.columns:
        grid.add_column(column.heading, justify="right")
    for row in table.rows:
        grid.add_row(*row.labels, *_search_cells(row, table))
    return grid


def _search_cells(row: Row, table: Table) -> list[str]:
    """The title says n. The one space of a value is where a narrow table may break it."""
    pairs = zip(row.entries, table.columns, strict=True)
    return [shown(entry, column, "ours").without_n for entry, column in pairs]


def print_report(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the report of these run directories on stdout, and what could not be read on stderr.

    Raises:
        EmtnasError: none of them has a readable commit.
    """
    from emtnas_hpc.cli.report import ReportFormat, ReportRequest, make_report

    chosen = ReportFormat.JSON if as_json else ReportFormat.SCREEN
    make_report(ReportRequest(directories, (), chosen, None))
