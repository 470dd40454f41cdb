"""From a layout and the experiments of a family to a table."""

import math
from collections.abc import Sequence
from dataclasses import replace

from emtnas_hpc.report.columns import QUANTITIES, column
from emtnas_hpc.report.layouts.layout import Layout, LayoutRow
from emtnas_hpc.report.quantities import Measure
from emtnas_hpc.report.significance import judge
from emtnas_hpc.report.table import Column, Entry, Row, Sample, Table

_SIGNIFICANT = 2


def fill(layout: Layout, measure: Measure) -> Table:
    """The table without notes."""
    title = (
        f"Table {layout.number} of the paper. {layout.title}" if layout.is_paper else layout.title
    )
    rows = tuple(_row(row, layout, measure) for row in layout.rows)
    table = Table(f"table{layout.number}", title, layout.labels, layout.columns, rows)
    specs = {row.key: given.spec for row, given in zip(rows, layout.rows, strict=True)}

    def baseline(row: Row, tested: Column) -> Sample | None:
        spec = specs[row.key]
        is_transfer = tested.quantity == "transfer"
        if spec is None or (spec.is_baseline and not is_transfer):
            return None
        return measure(spec.baseline, column("accuracy", tested.task) if is_transfer else tested)

    return judge(fitted(table), baseline)


def fitted(table: Table) -> Table:
    """Without columns that no row has to have, and with the decimals that small values need."""
    kept = [
        i
        for i, column in enumerate(table.columns)
        if not QUANTITIES[column.quantity].optional or _samples(table, i)
    ]
    rows = (replace(row, entries=tuple(row.entries[i] for i in kept)) for row in table.rows)
    columns = (_widened(table.columns[i], _samples(table, i)) for i in kept)
    return replace(table, columns=tuple(columns), rows=tuple(rows))


def _samples(table: Table, index: int) -> list[Sample]:
    return [s for row in table.rows if (s := row.entries[index].sample) is not None]


def _widened(column: Column, samples: Sequence[Sample]) -> Column:
    """With decimals for two digits of its smallest mean."""
    means = [abs(sample.estimate.mean) for sample in samples]
    smallest = min(filter(None, means), default=0.0)
    if not QUANTITIES[column.quantity].widens or not smallest:
        return column
    needed = _SIGNIFICANT - 1 - math.floor(math.log10(smallest))
    return replace(column, decimals=max(column.decimals, needed))


def _row(row: LayoutRow, layout: Layout, measure: Measure) -> Row:
    if row.spec is None:
        entries = tuple(Entry(paper=row.paper.get(column.key)) for column in layout.columns)
        return Row(f"quoted: {row.labels[0] or row.labels[-1]}", row.labels, entries, ours=False)
    entries = tuple(_entry(row, column, measure) for column in layout.columns)
    return Row(row.spec.key, row.labels, entries, ours=True)


def _entry(row: LayoutRow, column: Column, measure: Measure) -> Entry:
    assert row.spec is not None
    sample, diverged = measure(row.spec, column), measure.diverged(row.spec, column)
    return Entry(
        sample=sample,
        missing="" if sample or diverged else measure.missing(row.spec, column),
        diverged=diverged,
        paper=row.paper.get(column.key),
        rerun=row.rerun.get(column.key),
    )
