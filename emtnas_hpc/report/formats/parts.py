"""A table that is too wide for a page, as several that stand below each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from emtnas_hpc.report.formats.cells import origins, shown
from emtnas_hpc.report.table import Column, Table

#: Between two columns, in characters.
_GAP = 2


def parts(table: Table, width: int, *, stacked: bool = False) -> Iterator[Table]:
    """Tables with all rows and some of the columns each, at most so many characters wide.

    Columns of one data set stay together, and those of one kind, unless they alone are too wide.

    Args:
        table: of any width.
        width: in characters.
        stacked: whether ours, the paper's and the re-run's numbers stand below each other, and not
            beside.
    """
    labels = sum(
        max(map(len, (heading, *(row.labels[i] for row in table.rows)))) + _GAP
        for i, heading in enumerate(table.labels)
    )
    widths = [_width(table, index, stacked) for index in range(len(table.columns))]
    part: list[int] = []
    for block in _blocks(table, widths, width - labels):
        if part and labels + sum(widths[i] for i in (*part, *block)) > width:
            yield _with_columns(table, part)
            part = []
        part += block
    yield _with_columns(table, part)


def _blocks(table: Table, widths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Columns that stay together."""
    for _kind, indices in groupby(range(len(widths)), lambda i: _kind_of(table.columns[i])):
        block = list(indices)
        if sum(widths[i] for i in block) <= most:
            yield block
        else:
            yield from ([index] for index in block)


def _kind_of(column: Column) -> str:
    """Its data set; of columns that have none, what `time_total` and `time_search` share."""
    return column.task or column.quantity.partition("_")[0]


def _width(table: Table, index: int, stacked: bool) -> int:
    column = table.columns[index]
    widths = [
        max(len(shown(row.entries[index], column, origin).full) for row in table.rows) + _GAP
        for origin in origins(table, index)
    ]
    if stacked:
        # There a heading breaks between words.
        return max(*widths, max(map(len, column.heading.split())) + _GAP)
    return max(sum(widths), len(column.heading) + _GAP)


def _with_columns(table: Table, indices: Sequence[int]) -> Table:
    rows = (replace(row, entries=tuple(row.entries[i] for i in indices)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in indices), rows=tuple(rows))
