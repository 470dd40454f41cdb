"""All tables of retrained networks that a set of runs can fill."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from emtnas_hpc.report.caveats import caveats
from emtnas_hpc.report.contrasts import contrast_tables
from emtnas_hpc.report.experiments import (
    ExperimentRuns,
    Family,
    Recipe,
    experiments_of,
    families_of,
)
from emtnas_hpc.report.legend import choices, describe_recipe, legend, meanings
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.measurements import Measured, measurements, values_by_cell
from emtnas_hpc.report.specs import (
    RowLayout,
    TableSpec,
    layout_columns,
    own_spec,
    paper_table,
    quantities,
    specs_of,
)
from emtnas_hpc.report.stats import holm, permutation_test
from emtnas_hpc.report.sweeps import find_sweeps
from emtnas_hpc.report.table import Column, Row, Table, TableCell

_SIGNATURE_DIGITS = 6


def build_tables(
    runs: Sequence[Run], numbers: Collection[int] | None = None, *, stated: float | None = None
) -> tuple[Table, ...]:
    """The tables of the paper that these runs can fill, sweeps, other experiments, and contrasts.

    With numbers only those tables of the paper, empty ones included. A stated difference, in
    points, is one that contrasts are to show, instead of the paper's.
    """
    frame = measurements(sorted(runs, key=lambda run: run.seed))
    used: set[str] = set()
    tables = []
    found = sorted(_specs(runs, frame, numbers), key=lambda pair: pair[0].number)
    if numbers is None:
        found += _sweeps(experiments_of(runs), frame)
    compared: list[set[str]] = []
    for spec, measured in found:
        members = {experiment.signature for experiment in measured.family.find(spec.kinds)}
        if spec.key and any(members <= others for others in compared):
            # A table in the paper's layout compares them already.
            continue
        table = fill(spec, measured)
        has_value, retrained = _has_value(table, spec, measured), measured.used(spec)
        if has_value or numbers is not None:
            notes = (
                *legend(table, spec, measured),
                *table.diverged_notes(),
                *caveats(spec, measured.family, retrained),
            )
            tables.append(replace(table, notes=notes))
        if has_value and not spec.key:
            used |= retrained
            compared.append(members)
    if numbers is None:
        tables += _other_tables(runs, frame, used)
        families = [(family, values_by_cell(frame, family)) for family in families_of(runs)]
        tables += contrast_tables(families, stated)
    return tuple(_numbered(tables))


def sweep_tables(experiments: Sequence[ExperimentRuns]) -> Iterator[Table]:
    """The table of every sweep; of its notes only what was retrained."""
    frame = measurements(run for experiment in experiments for run in experiment.runs)
    for spec, measured in _sweeps(experiments, frame):
        recipe = measured.recipe
        notes = () if recipe is None else (describe_recipe(recipe, spec.depth),)
        yield replace(fill(spec, measured), notes=notes)


def _sweeps(
    experiments: Sequence[ExperimentRuns], frame: pd.DataFrame
) -> Iterator[tuple[TableSpec, Measured]]:
    """One for each recipe and depth; keys that are there more than once get a number."""
    seen: Counter[str] = Counter()
    for sweep in find_sweeps(experiments):
        family, cells = sweep.family, values_by_cell(frame, sweep.family)
        for recipe, spec in _by_recipe(sweep.spec, family):
            seen[spec.key] += 1
            n = seen[spec.key]
            key = spec.key if n == 1 else f"{spec.key}-{n}"
            yield replace(spec, key=key), Measured(cells, family, recipe)


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
        Row(row.key, row.labels, cells, ours=row.spec is not None)
        for row, cells in zip(spec.rows, zip(*by_column, strict=True), strict=True)
    ]
    key = spec.key or f"table{spec.number}"
    return _fitted(Table(key, title, spec.labels, columns=spec.columns, rows=tuple(rows)))


def _fitted(table: Table) -> Table:
    """Without columns that no row has to have; small means are shown with enough digits."""
    kept, columns = [], []
    for i, column in enumerate(table.columns):
        means = [abs(cell.estimate.mean) for cell in table.cells(i) if cell.estimate]
        known, smallest = quantities()[column.quantity], min(filter(None, means), default=0.0)
        decimals = column.decimals
        if known.significant_digits and smallest:
            needed = known.significant_digits - 1 - math.floor(math.log10(smallest))
            decimals = max(decimals, needed)
        columns.append(replace(column, decimals=decimals))
        if means or not known.optional:
            kept.append(i)
    return replace(table, columns=tuple(columns)).with_columns(kept)


def judged(cells: Sequence[TableCell], baselines: Sequence[TableCell]) -> list[TableCell]:
    """A column with tests against each row's baseline, adjusted p values, and the best mean."""
    tests = [
        # A single seed has no spread to test against, nor does it weaken the tests of others.
        permutation_test(cell.values, base.values)
        if min(len(cell.values), len(base.values)) > 1
        else None
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


def _cell(row: RowLayout, column: Column, measured: Measured) -> TableCell:
    quoted = row.quoted.get(column.key, {})
    if row.spec is None:
        return TableCell(quoted=quoted)
    cell = measured.cell(row.spec, column.key)
    missing = "" if cell.n else measured.missing(row.spec, column)
    return replace(cell, missing=missing, quoted=quoted)


def _baseline(row: RowLayout, column: Column, measured: Measured) -> TableCell:
    """Single-tasking on the same images; none where a row is that itself."""
    is_transfer = column.quantity == "transfer"
    if row.spec is None or (row.spec.is_baseline and not is_transfer):
        return TableCell()
    key = f"{column.task}.accuracy" if is_transfer else column.key
    return measured.cell(row.spec.baseline, key)


def _specs(
    runs: Sequence[Run], frame: pd.DataFrame, numbers: Collection[int] | None
) -> Iterator[tuple[TableSpec, Measured]]:
    """Several may have one number: of other settings, or another recipe."""
    found = set()
    for family in families_of(runs):
        cells = values_by_cell(frame, family)
        specs = specs_of(family)
        if numbers is not None:
            # A table that the runs fill in part counts when it is asked for.
            more = map(paper_table, sorted(set(numbers) - {spec.number for spec in specs}))
            specs = [spec for spec in specs if spec.number in numbers]
            specs += [spec for spec in more if spec.kinds & set(family.experiments)]
        for spec in specs:
            found.add(spec.number)
            for recipe, stacked in _by_recipe(spec, family):
                yield stacked, Measured(cells, family, recipe)
    for number in sorted(set(numbers or ()) - found):
        yield paper_table(number), Measured({}, Family())


def _by_recipe(spec: TableSpec, family: Family) -> Iterator[tuple[Recipe | None, TableSpec]]:
    """One table for every recipe: what was retrained otherwise is never averaged, nor ranked.

    Of a sweep also one for every depth of two experiments or more: none of them is the paper's.
    """
    tasks = {column.task for column in spec.columns}
    depths: dict[Recipe, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for experiment in family.find(spec.kinds):
        for run in experiment.finished:
            for retraining in filter(lambda r: r.finished, run.incumbents_retrained):
                if spec.number != 4 or retraining.header.task in tasks:
                    there = depths[Recipe.of(retraining)]
                    there[retraining.header.shape.n_normal].add(experiment.signature)
    if not depths:
        yield None, spec
    for recipe, there in sorted(depths.items()):
        if spec.key:
            compared = [n for n, signatures in sorted(there.items()) if len(signatures) > 1]
            yield from ((recipe, spec.stacked(n)) for n in compared or [min(there)])
        elif spec.layout.get("depth") not in (None, *there):
            own = own_spec(spec, family) if spec.is_paper else spec
            yield recipe, own.stacked(min(there))
        else:
            yield recipe, spec


def _has_value(table: Table, spec: TableSpec, measured: Measured) -> bool:
    """Whether a value of it is ours; of Table 4, and of Table 3 once there are any, a network's."""
    of_networks = spec.number == 4 or (spec.number == 3 and measured.recipe is not None)
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
    columns = layout_columns("other")
    lines = lines.assign(name=[headers[signature].experiment for signature in lines.signature])
    cells = {
        key: TableCell.of(dict(zip(of.seed, of.value, strict=True)), of.seed[~of.is_result])
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
        own = tuple(cells.get((*key, column.quantity), TableCell()) for column in columns)
        rows.append(Row(" ".join(words), words, own))
    names = ("Experiment", "Found on", "Data set", "N", "Recipe")
    table = _fitted(Table("other", "Other experiments", names, columns=columns, rows=tuple(rows)))
    recipes = sorted({Recipe.of(retrained[s]) for s in headers})
    searched = {header.search_signature for header in headers.values()}
    experiments = [
        experiment
        for experiment in experiments_of(runs)
        if any(result.header.signature in searched for result in experiment.results)
    ]
    notes = (
        "Mean ± sample standard deviation over seeds (n in brackets).",
        *map(describe_recipe, recipes),
        *choices(experiments, recipes),
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
