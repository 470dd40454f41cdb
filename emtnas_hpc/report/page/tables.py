"""The report's tables in the words that a page shows."""

from emtnas_hpc.report.formats.cells import shown
from emtnas_hpc.report.page.views import EntryView, RowView, TableView
from emtnas_hpc.report.summary import SUPERNET_NOTE, Summary, TaskSummary
from emtnas_hpc.report.table import Column, Entry, Row, Table

#: Of a search's summary: heading, quantity, factor from the stored unit, decimals.
_QUANTITIES = (
    ("true accuracy (%)", "true_fitness", 100.0, 2),
    ("in generation 1 (%)", "first_true_fitness", 100.0, 2),
    ("sampled accuracy (%)", "sampled_accuracy", 100.0, 2),
    ("parameters (M)", "parameters", 1e-6, 3),
    ("MACs (M)", "macs", 1e-6, 2),
    ("training (s)", "seconds_training", 1.0, 1),
    ("evaluation (s)", "seconds_evaluation", 1.0, 1),
    ("search (s)", "seconds_search", 1.0, 2),
)


def table_view(table: Table) -> TableView:
    """A table of the paper's, or of other experiments."""
    return TableView(
        key=table.key,
        title=table.title,
        labels=table.labels,
        columns=tuple(column.heading for column in table.columns),
        rows=tuple(_row(row, table) for row in table.rows),
        notes=table.notes,
    )


def summary_view(summary: Summary, key: str) -> TableView:
    """What an experiment's searches found, mean over their seeds."""
    n = len(summary.seeds)
    unfinished = ", ".join(map(str, summary.unfinished))
    left_out = " and left out" if set(summary.seeds).isdisjoint(summary.unfinished) else ""
    return TableView(
        key=f"{key}-summary",
        title=f"What the searches found: mean ± sample standard deviation, n = {n}",
        labels=("task",),
        columns=tuple(heading for heading, *_rest in _QUANTITIES),
        rows=tuple(_summary_row(task) for task in summary.tasks),
        notes=(
            f"Batch-norm mode {summary.batch_norm}. {SUPERNET_NOTE} True: the incumbent's on the "
            "whole validation set; in generation 1: its fittest's; sampled: the incumbent's on one "
            "mini-batch. Parameters (output slices in use) and MACs in the search's network.",
            *([f"Not finished{left_out}: seed {unfinished}."] if unfinished else []),
        ),
    )


def _row(row: Row, table: Table) -> RowView:
    pairs = zip(row.entries, table.columns, strict=True)
    entries = tuple(entry_view(entry, column, row.ours) for entry, column in pairs)
    return RowView(row.labels, entries, row.ours)


def entry_view(entry: Entry, column: Column, ours: bool) -> EntryView:
    """An entry; where runs cannot fill its row, the printed value is the value."""
    if not ours:
        return EntryView(shown(entry, column, "paper").text)
    cell = shown(entry, column, "ours")
    return EntryView(
        cell.text,
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


def _summary_row(task: TaskSummary) -> RowView:
    entries = []
    for _heading, quantity, scale, decimals in _QUANTITIES:
        found = task.quantities[quantity]
        text = f"{scale * found.mean:.{decimals}f}" if found.mean == found.mean else "-"
        if found.std == found.std:
            text += f" ±{scale * found.std:.{decimals}f}"
        entries.append(EntryView(text))
    return RowView((task.task,), tuple(entries))
