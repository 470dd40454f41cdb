"""From a layout and the experiments of a family to a table, and its tests against the baseline."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from emtnas_hpc.report.columns import QUANTITIES, Measure, column
from emtnas_hpc.report.layouts import Layout, LayoutRow
from emtnas_hpc.report.stats import LEVEL, compare, holm, seeds_needed, smallest_p
from emtnas_hpc.report.table import Column, Entry, Row, Sample, Table

#: The baseline's values for a row and a column; None where the row has none to be compared with.
Baseline = Callable[[Row, Column], Sample | None]


def judge(table: Table, baseline: Baseline) -> Table:
    """The table with tests, adjusted p values and best means in its tested columns."""
    columns = [
        _judged(
            [row.entries[i] for row in table.rows],
            [baseline(row, column) if column.tested else None for row in table.rows],
            column.tested,
        )
        for i, column in enumerate(table.columns)
    ]
    by_row = zip(*columns, strict=True)
    rows = [
        replace(row, entries=tuple(entries))
        for row, entries in zip(table.rows, by_row, strict=True)
    ]
    return replace(table, rows=tuple(rows))


def significance_notes(table: Table) -> tuple[str, ...]:
    """What the stars mean, and where no star was possible, with how many seeds there would be."""
    tested = [_tested(table, i) for i, column in enumerate(table.columns) if column.tested]
    entries = [entry for column in tested for entry in column]
    if not entries:
        return _without_tests(table)
    drawn = any(entry.test and not entry.test.exact for entry in entries)
    meaning = (
        "* p < 0.05, ** also q < 0.05: unpaired permutation test of the means, two-sided, "
        "against single-tasking on the same task ("
        + ("splits drawn with a fixed seed where there are over 200,000" if drawn else "exact")
        + "); q: p after Holm's adjustment within the column."
    )
    limits = dict.fromkeys(filter(None, map(_limits, tested)))
    return meaning, *limits, " ".join(_p_values(table))


def _without_tests(table: Table) -> tuple[str, ...]:
    columns = [i for i, column in enumerate(table.columns) if column.tested]
    if any(row.entries[i].sample is not None for row in table.rows for i in columns):
        return ("Nothing is tested: no pair of an experiment and its single-tasking baseline.",)
    return ()


def _p_values(table: Table) -> Iterator[str]:
    """Every p and q, which have no room in the table."""
    for i, heading in enumerate(shown.heading for shown in table.columns):
        texts = []
        for row in table.rows:
            entry = row.entries[i]
            if entry.test is not None and entry.q is not None:
                texts.append(f"{table.short_name_of(row)} {entry.test.p:.4f}, {entry.q:.4f}")
        if texts:
            yield f"p, q of {heading}: {'; '.join(texts)}."


def _judged(entries: list[Entry], baselines: list[Sample | None], tested: bool) -> Sequence[Entry]:
    if not tested:
        return entries
    entries = [_compared(*pair) for pair in zip(entries, baselines, strict=True)]
    which = [i for i, entry in enumerate(entries) if entry.test is not None]
    adjusted = holm([entry.test.p for entry in entries if entry.test is not None])
    for i, q in zip(which, adjusted, strict=True):
        entries[i] = replace(entries[i], q=q)
    return _with_best(entries)


def _compared(entry: Entry, baseline: Sample | None) -> Entry:
    if entry.sample is None or baseline is None:
        return entry
    test = compare(entry.sample.values, baseline.values)
    return replace(entry, test=test, n_baseline=len(baseline.values))


def _with_best(entries: Sequence[Entry]) -> Sequence[Entry]:
    means = [entry.sample.estimate.mean for entry in entries if entry.sample is not None]
    if len(means) < 2:
        return entries
    return [
        replace(entry, best=entry.sample is not None and entry.sample.estimate.mean == max(means))
        for entry in entries
    ]


def _tested(table: Table, column: int) -> list[Entry]:
    entries = (row.entries[column] for row in table.rows)
    return [entry for entry in entries if entry.test is not None]


def _limits(column: Sequence[Entry]) -> str:
    """What the numbers of seeds of one column rule out."""
    if not column:
        return ""
    entry = min(column, key=_smallest)
    smallest, n_tests = _smallest(entry), len(column)
    assert entry.sample is not None
    sizes = f"{len(entry.sample.values)} against {entry.n_baseline} seeds"
    if smallest >= LEVEL:
        n = seeds_needed()
        return (
            f"No star is possible with {sizes} (p is at least {smallest:.3f}); "
            f"{n} against {n} would do for one."
        )
    if n_tests * smallest >= LEVEL:
        n = seeds_needed(n_tests)
        return (
            f"No two stars are possible with {sizes} and {n_tests} comparisons in a column (q is "
            f"at least {n_tests * smallest:.3f}); {n} against {n} would do."
        )
    return ""


def _smallest(entry: Entry) -> float:
    assert entry.sample is not None
    return smallest_p(len(entry.sample.values), entry.n_baseline)


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
