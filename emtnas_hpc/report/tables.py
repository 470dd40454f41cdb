"""All tables that a set of runs can fill."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from emtnas_hpc.report.experiments import Family, Recipe, families_of
from emtnas_hpc.report.filling import fill
from emtnas_hpc.report.layouts import Layout, layouts_of, own_layout, paper_layout
from emtnas_hpc.report.notes import meaning_notes, reservations
from emtnas_hpc.report.other import other_table
from emtnas_hpc.report.quantities import Measure, incumbents_retrainings
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.table import Table


@dataclass(frozen=True)
class _Instance:
    """One table of several that may have one number: other settings, another recipe."""

    family: Family
    recipe: Recipe | None
    layout: Layout


def build_tables(runs: Sequence[Run], numbers: Collection[int] | None = None) -> tuple[Table, ...]:
    """The tables of the paper that these runs can fill, and one of all that fits none of them.

    Args:
        runs: of any experiments.
        numbers: only these tables of the paper, empty ones included; None means all that have a
            value, and what else was retrained.
    """
    used: set[str] = set()
    tables = []
    for instance in sorted(_instances(runs, numbers), key=lambda i: i.layout.number):
        table = _table(instance, used)
        if numbers is not None or _says_something(table, instance):
            tables.append(table)
    if numbers is None:
        tables += [other for other in [other_table(runs, used)] if other.rows]
    return tuple(_told_apart(tables))


def _instances(runs: Sequence[Run], numbers: Collection[int] | None) -> Iterator[_Instance]:
    found = set()
    for family in families_of(runs):
        layouts = layouts_of(family)
        if numbers is not None:
            layouts = _asked_for(layouts, family, numbers)
        for layout in layouts:
            found.add(layout.number)
            yield from _by_recipe(family, layout)
    for number in sorted(set(numbers or ()) - found):
        yield _Instance(Family({}, {}), None, paper_layout(number))


def _asked_for(layouts: list[Layout], family: Family, numbers: Collection[int]) -> list[Layout]:
    """Those of these numbers; a table that the runs fill in part counts when it is asked for."""
    there = {layout.number for layout in layouts}
    partly = [
        layout
        for layout in map(paper_layout, sorted(set(numbers) - there))
        if layout.kinds & set(family.experiments)
    ]
    return [layout for layout in layouts if layout.number in numbers] + partly


def _by_recipe(family: Family, layout: Layout) -> Iterator[_Instance]:
    """One table for every recipe: what was retrained otherwise is never averaged, nor ranked."""
    experiments = family.find(layout.kinds)
    tasks = {column.task for column in layout.columns}
    stackings: dict[Recipe, set[int]] = {}
    for experiment in experiments:
        for run in experiment.runs:
            for retraining in incumbents_retrainings(run) if run.finished else ():
                if not retraining.finished:
                    continue
                if layout.number == 4 and retraining.header.task not in tasks:
                    continue
                recipe = Recipe.of(retraining)
                stackings.setdefault(recipe, set()).add(retraining.header.shape.n_normal)
    if not stackings:
        yield _Instance(family, None, layout)
    for recipe, depths in sorted(stackings.items()):
        yield _Instance(family, recipe, _stacked(layout, family, depths))


def _stacked(layout: Layout, family: Family, depths: Collection[int]) -> Layout:
    """With the networks that were retrained; the paper's numbers are of its own only."""
    if layout.number not in (2, 5, 6) or 2 in depths:
        return layout
    own = own_layout(layout, family) if layout.is_paper else layout
    return own.stacked(min(depths))


def _table(instance: _Instance, used: set[str]) -> Table:
    measure = Measure(instance.family, instance.recipe)
    table = fill(instance.layout, measure)
    if _says_something(table, instance):
        used |= measure.used
    notes = [
        *meaning_notes(table, instance.layout, measure),
        *table.diverged_notes,
        *reservations(instance.layout, instance.family, measure.used),
    ]
    return table.with_notes(tuple(notes))


def _says_something(table: Table, instance: _Instance) -> bool:
    """Whether a value of it is ours; of Table 4, and of Table 3 once there are any, a network's."""
    number = instance.layout.number
    of_networks = number == 4 or (number == 3 and instance.recipe is not None)
    columns = [i for i, column in enumerate(table.columns) if column.task or not of_networks]
    return any(row.entries[i].is_measured for row in table.rows for i in columns)


def _told_apart(tables: Sequence[Table]) -> Iterator[Table]:
    """Keys that are there more than once get a number."""
    seen: Counter[str] = Counter()
    for table in tables:
        seen[table.key] += 1
        n = seen[table.key]
        yield table if n == 1 else replace(table, key=f"{table.key}-{n}")
