"""The report's tables in the words that a page shows."""

from emtnas_hpc.report.experiments import Experiment
from emtnas_hpc.report.formats.cells import shown
from emtnas_hpc.report.formats.parts import parts
from emtnas_hpc.report.page.views import EntryView, GridView, RowView, TableView
from emtnas_hpc.report.summary import search_notes, search_table
from emtnas_hpc.report.table import Column, Entry, Row, Table

#: Characters that fit on a sheet of paper.
_WIDTH = 136


def table_view(table: Table) -> TableView:
    """A table of the paper's, or of other experiments."""
    return TableView(
        key=table.key,
        title=table.title,
        labels=table.labels,
        grids=tuple(map(_grid, parts(table, _WIDTH, stacked=True))),
        notes=table.notes,
    )


def summary_view(experiment: Experiment) -> TableView:
    """What an experiment's searches found, mean over their seeds."""
    table, searches = search_table(experiment), [run.search for run in experiment.averaged]
    unfinished = ", ".join(map(str, experiment.unfinished))
    left_out = " and left out" if experiment.finished else ""
    meaning, *others = search_notes([experiment])
    mode = "".join({search.batch_norm for search in searches if search is not None})
    return TableView(
        key=f"{experiment.key}-summary",
        title=f"What the searches found: mean ± sample standard deviation, n = {len(searches)}",
        labels=table.labels,
        grids=(_summary_grid(table),),
        notes=(
            *table.diverged_notes,
            f"Batch-norm mode {mode}. {meaning}",
            *others,
            *([f"Not finished{left_out}: seed {unfinished}."] if unfinished else []),
        ),
    )


def _grid(table: Table) -> GridView:
    headings = (column.heading for column in table.columns)
    return GridView(tuple(headings), tuple(_row(row, table) for row in table.rows))


def _row(row: Row, table: Table) -> RowView:
    pairs = zip(row.entries, table.columns, strict=True)
    entries = tuple(entry_view(entry, column, row.ours) for entry, column in pairs)
    return RowView(row.labels, entries, row.ours)


def entry_view(entry: Entry, column: Column, ours: bool) -> EntryView:
    """An entry; where runs cannot fill its row, the printed value is the value."""
    if not ours:
        return EntryView(shown(entry, column, "paper").full)
    cell = shown(entry, column, "ours")
    return EntryView(
        cell.full,
        "*" * cell.stars,
        cell.bold,
        missing=not cell.is_value,
        lines=tuple(_below(entry)),
    )


def _below(entry: Entry) -> list[str]:
    lines = []
    if entry.test is not None:
        q = "" if entry.q is None else f", q {entry.q:.2g}"
        lines.append(f"p {entry.test.p:.2g}{q}")
    quoted = (("paper", entry.paper), ("re-run", entry.rerun))
    return lines + [
        f"{name} {q.text}" for name, q in quoted if q is not None and q.mean is not None
    ]


def _summary_grid(table: Table) -> GridView:
    """Of one n for all, which the title says."""
    headings = (column.heading for column in table.columns)
    return GridView(tuple(headings), tuple(_summary_row(row, table) for row in table.rows))


def _summary_row(row: Row, table: Table) -> RowView:
    pairs = zip(row.entries, table.columns, strict=True)
    cells = (shown(entry, column, "ours") for entry, column in pairs)
    return RowView(row.labels, tuple(EntryView(cell.without_n) for cell in cells))
