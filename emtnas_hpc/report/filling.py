"""From a layout and the experiments of a family to a table."""

from emtnas_hpc.report.layouts.layout import Layout, LayoutRow, accuracy
from emtnas_hpc.report.quantities import Measure
from emtnas_hpc.report.significance import judge
from emtnas_hpc.report.table import Column, Entry, Row, Sample, Table


def fill(layout: Layout, measure: Measure) -> Table:
    """The table without notes."""
    rows = tuple(_row(row, layout, measure) for row in layout.rows)
    title = f"Table {layout.number} of the paper. {layout.title}"
    if not layout.is_paper:
        title = f"In the layout of Table {layout.number}. {layout.title}"
    table = Table(f"table{layout.number}", title, layout.labels, layout.columns, rows)
    specs = {row.key: given.spec for row, given in zip(rows, layout.rows, strict=True)}

    def baseline(row: Row, column: Column) -> Sample | None:
        spec = specs[row.key]
        if spec is None or (spec.is_baseline and column.quantity == "accuracy"):
            return None
        assert column.task is not None
        return measure(spec.baseline, accuracy(column.task, 2))

    return judge(table, baseline)


def _row(row: LayoutRow, layout: Layout, measure: Measure) -> Row:
    if row.spec is None:
        entries = tuple(Entry(paper=row.paper.get(column.key)) for column in layout.columns)
        return Row(f"quoted: {row.labels[0] or row.labels[-1]}", row.labels, entries, ours=False)
    entries = tuple(_entry(row, column, measure) for column in layout.columns)
    return Row(row.spec.key, row.labels, entries, ours=True)


def _entry(row: LayoutRow, column: Column, measure: Measure) -> Entry:
    assert row.spec is not None
    sample = measure(row.spec, column)
    return Entry(
        sample=sample,
        missing="" if sample is not None else measure.missing(row.spec, column),
        paper=row.paper.get(column.key),
        rerun=row.rerun.get(column.key),
    )
