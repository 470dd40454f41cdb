"""All tables of retrained networks that a set of runs can fill."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from emtnas_hpc.report.caveats import caveats
from emtnas_hpc.report.experiments import Family, Recipe, families_of, seed_of
from emtnas_hpc.report.layouts import own_spec, specs_of
from emtnas_hpc.report.legend import describe_recipe, legend, meanings
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.measurements import (
    Measured,
    Parts,
    incumbents_retrainings,
    measurements,
    parts_of,
)
from emtnas_hpc.report.paper import TableRow, TableSpec, make_column, paper_table, quantities
from emtnas_hpc.report.stats import compare, holm
from emtnas_hpc.report.table import Cell, Column, Row, Table

_SIGNIFICANT_DIGITS = 2
_SIGNATURE_DIGITS = 6


@dataclass(frozen=True)
class _Instance:
    """One table of several that may have one number: other settings, another recipe."""

    spec: TableSpec
    family: Family
    parts: Parts
    recipe: Recipe | None = None


def build_tables(runs: Sequence[Run], numbers: Collection[int] | None = None) -> tuple[Table, ...]:
    """The tables of the paper that these runs can fill, and one of all that fits none of them.

    Args:
        runs: of any experiments.
        numbers: only these tables of the paper, empty ones included; None means all that have a
            value, and what else was retrained.
    """
    frame = measurements(sorted(runs, key=seed_of))
    used: set[str] = set()
    tables = []
    for instance in sorted(_instances(runs, frame, numbers), key=lambda i: i.spec.number):
        measured = Measured(instance.parts, instance.family, instance.recipe)
        table = fill(instance.spec, measured)
        says_something = _says_something(table, instance)
        if says_something or numbers is not None:
            notes = (
                *legend(table, instance.spec, measured),
                *table.diverged_notes(),
                *caveats(instance.spec, instance.family, measured.used),
            )
            tables.append(replace(table, notes=notes))
        if says_something:
            used |= measured.used
    if numbers is None:
        tables += _other_tables(runs, frame, used)
    return tuple(_numbered(tables))


def fill(spec: TableSpec, measured: Measured) -> Table:
    """A table without notes: values, decimals that small ones need, tests, and the best means."""
    by_column = []
    for column in spec.columns:
        cells = [_cell(row, column, measured) for row in spec.rows]
        if column.tested:
            cells = judged(cells, [_baseline(row, column, measured) for row in spec.rows])
        by_column.append(cells)
    title = f"Table {spec.number} of the paper. {spec.title}" if spec.is_paper else spec.title
    rows = [
        Row(_key(row), row.labels, cells, ours=row.spec is not None)
        for row, cells in zip(spec.rows, zip(*by_column, strict=True), strict=True)
    ]
    return _fitted(Table(f"table{spec.number}", title, spec.labels, spec.columns, tuple(rows)))


def _fitted(table: Table) -> Table:
    """Without columns that no row has to have; small means are shown with two digits."""
    kept, columns = [], []
    for i, column in enumerate(table.columns):
        means = [abs(cell.estimate.mean) for cell in table.cells(i) if cell.estimate]
        known, smallest = quantities()[column.quantity], min(filter(None, means), default=0.0)
        decimals = column.decimals
        if known.widens and smallest:
            needed = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(smallest))
            decimals = max(decimals, needed)
        columns.append(replace(column, decimals=decimals))
        if means or not known.optional:
            kept.append(i)
    return replace(table, columns=tuple(columns)).with_columns(kept)


def judged(cells: Sequence[Cell], baselines: Sequence[Cell]) -> list[Cell]:
    """A column with tests against each row's baseline, adjusted p values, and the best mean."""
    tests = [
        compare(cell.values, base.values) if cell.values and base.values else None
        for cell, base in zip(cells, baselines, strict=True)
    ]
    adjusted = iter(holm([test.p for test in tests if test]))
    means = [cell.estimate.mean for cell in cells if cell.estimate]
    best = max(means) if len(means) > 1 else None
    return [
        replace(
            cell,
            test=test,
            n_baseline=len(base.values) if test else 0,
            q=next(adjusted) if test else None,
            best=cell.estimate is not None and cell.estimate.mean == best,
        )
        for cell, base, test in zip(cells, baselines, tests, strict=True)
    ]


def _cell(row: TableRow, column: Column, measured: Measured) -> Cell:
    quoted = row.quoted.get(column.key, {})
    if row.spec is None:
        return Cell(quoted=quoted)
    cell = measured.cell(row.spec, column.key)
    missing = "" if cell.n else measured.missing(row.spec, column)
    return replace(cell, missing=missing, quoted=quoted)


def _baseline(row: TableRow, column: Column, measured: Measured) -> Cell:
    """Single-tasking on the same images; none where a row is that itself."""
    is_transfer = column.quantity == "transfer"
    if row.spec is None or (row.spec.is_baseline and not is_transfer):
        return Cell()
    key = f"{column.task}.accuracy" if is_transfer else column.key
    return measured.cell(row.spec.baseline, key)


def _key(row: TableRow) -> str:
    return f"quoted: {row.labels[0] or row.labels[-1]}" if row.spec is None else row.spec.key


def _instances(
    runs: Sequence[Run], frame: pd.DataFrame, numbers: Collection[int] | None
) -> Iterator[_Instance]:
    found = set()
    for family in families_of(runs):
        parts = parts_of(frame, family)
        specs = specs_of(family)
        if numbers is not None:
            # A table that the runs fill in part counts when it is asked for.
            more = map(paper_table, sorted(set(numbers) - {spec.number for spec in specs}))
            specs = [spec for spec in specs if spec.number in numbers]
            specs += [spec for spec in more if spec.kinds & set(family.experiments)]
        for spec in specs:
            found.add(spec.number)
            yield from _by_recipe(_Instance(spec, family, parts))
    for number in sorted(set(numbers or ()) - found):
        yield _Instance(paper_table(number), Family({}, {}), {})


def _by_recipe(instance: _Instance) -> Iterator[_Instance]:
    """One table for every recipe: what was retrained otherwise is never averaged, nor ranked."""
    spec, family = instance.spec, instance.family
    tasks = {column.task for column in spec.columns}
    depths: dict[Recipe, set[int]] = defaultdict(set)
    for experiment in family.find(spec.kinds):
        for run in experiment.finished:
            for retraining in filter(lambda r: r.finished, incumbents_retrainings(run)):
                if spec.number != 4 or retraining.header.task in tasks:
                    depths[Recipe.of(retraining)].add(retraining.header.shape.n_normal)
    if not depths:
        yield instance
    for recipe, there in sorted(depths.items()):
        stacked = spec
        if spec.number in (2, 5, 6) and 2 not in there:
            # The paper's numbers are of networks with N = 2 only.
            stacked = (own_spec(spec, family) if spec.is_paper else spec).stacked(min(there))
        yield replace(instance, spec=stacked, recipe=recipe)


def _says_something(table: Table, instance: _Instance) -> bool:
    """Whether a value of it is ours; of Table 4, and of Table 3 once there are any, a network's."""
    number = instance.spec.number
    of_networks = number == 4 or (number == 3 and instance.recipe is not None)
    columns = [i for i, column in enumerate(table.columns) if column.task or not of_networks]
    return any(cell.n for i in columns for cell in table.cells(i))


def _other_tables(
    runs: Sequence[Run], frame: pd.DataFrame, used: Collection[str]
) -> Iterator[Table]:
    """All finished retrainings but those whose signatures were used elsewhere."""
    retrained = {r.header.signature: r for run in runs for r in run.retrainings if r.finished}
    lines = frame[(frame.group != "") & ~frame.signature.isin(list(used))]
    headers = {signature: retrained[signature].header for signature in lines.signature}
    if not headers:
        return
    columns = [
        make_column("accuracy", headings={"accuracy": "Test (%)"}),
        *map(make_column, ("top5", "auc", "parameters", "macs")),
    ]
    lines = lines.assign(name=[headers[signature].experiment for signature in lines.signature])
    cells = {
        key: Cell.of(dict(zip(of.seed, of.value, strict=True)), of.seed[~of.counts])
        for key, of in lines.groupby(["name", "group", "quantity"])
    }
    groups = {(h.experiment, h.experiment_signature): h for h in headers.values()}
    labels = {
        key: (h.experiment, h.found_on or "-", h.task, str(h.shape.n_normal), h.recipe)
        for key, h in sorted(groups.items(), key=lambda item: item[0])
    }
    alike = Counter(labels.values())
    rows = []
    for key, words in labels.items():
        if alike[words] > 1:
            words = (*words[:-1], f"{words[-1]} [{key[1][:_SIGNATURE_DIGITS]}]")
        own = tuple(cells.get((*key, shown.quantity), Cell()) for shown in columns)
        rows.append(Row(" ".join(words), words, own))
    names = ("Experiment", "Found on", "Data set", "N", "Recipe")
    table = Table("other", "Other experiments", names, tuple(columns), tuple(rows))
    table = _fitted(table)
    notes = (
        "Mean ± sample standard deviation over seeds (n in brackets).",
        *map(describe_recipe, sorted({Recipe.of(retrained[s]) for s in headers})),
        *meanings(table),
        *table.diverged_notes(),
    )
    yield replace(table, notes=notes)


def _numbered(tables: Sequence[Table]) -> Iterator[Table]:
    """Keys that are there more than once get a number."""
    seen: Counter[str] = Counter()
    for table in tables:
        seen[table.key] += 1
        n = seen[table.key]
        yield table if n == 1 else replace(table, key=f"{table.key}-{n}")
