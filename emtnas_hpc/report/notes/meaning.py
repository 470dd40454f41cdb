"""What the numbers of a table are."""

from collections.abc import Iterator

from emtnas_hpc.report.columns import QUANTITIES, column
from emtnas_hpc.report.counting import macs_of, parameters_of
from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import Recipe
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.notes.study import study_notes
from emtnas_hpc.report.paper import PAPER, RERUN
from emtnas_hpc.report.quantities import Measure
from emtnas_hpc.report.significance import significance_notes
from emtnas_hpc.report.table import Row, Table


def meaning_notes(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """One sentence or two for every kind of number that the table has."""
    yield "Mean ± sample standard deviation over seeds (n in brackets); bold: best of a column."
    if measure.recipe is not None:
        yield describe_recipe(measure.recipe, _depth(layout))
    yield from study_notes(layout, measure.family)
    yield from significance_notes(table)
    yield from _sources(table)
    yield from meanings(table)
    yield from _details(table, layout, measure)


def meanings(table: Table) -> list[str]:
    """What is said of each column's quantity, once."""
    said = (QUANTITIES[column.quantity].meaning for column in table.columns)
    return list(filter(None, dict.fromkeys(said)))


def describe_recipe(recipe: Recipe, n_normal: int | None = None) -> str:
    """How architectures were retrained; how often they were stacked, where that is one number."""
    plural = "" if recipe.n_epochs == 1 else "s"
    stacked = "" if n_normal is None else f", N = {n_normal}"
    return (
        f"Retrained with recipe {recipe.label} ({recipe.origin}): {recipe.n_epochs} epoch{plural}, "
        f"{recipe.channels} channels{stacked}, on all images but those of the test set; that "
        "is read once, after the last epoch."
    )


def _depth(layout: Layout) -> int | None:
    depths = {row.spec.n_normal for row in layout.rows if row.spec is not None}
    return depths.pop() if len(depths) == 1 else None


def _details(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """Numbers for which there are no columns."""
    quantities = {column.quantity for column in table.columns}
    if "parameters" in quantities:
        found = list(_beside(table, layout, measure, "parameters", "parameters_in_use"))
        if found:
            yield f"Params, slices in use only: {'; '.join(found)}."
    if "auc" not in quantities:
        found = list(_beside(table, layout, measure, "accuracy", "auc"))
        if found:
            yield f"AUC by medmnist's evaluator, mean over seeds: {'; '.join(found)}."
    if "validation" in quantities:
        yield from _modes(layout, measure)
    if "mean_parameters" in quantities:
        yield from _costs(table, layout, measure)


def _sources(table: Table) -> Iterator[str]:
    entries = [entry for row in table.rows for entry in row.entries]
    if any(entry.paper for entry in entries):
        yield f"paper: {PAPER if table.key != 'table4' else PAPER.replace('5 seeds', 'one run')}."
    if any(entry.rerun for entry in entries):
        yield f"re-run: {RERUN}."


def _beside(
    table: Table, layout: Layout, measure: Measure, quantity: str, other: str
) -> Iterator[str]:
    """What is measured beside a table's own columns, row by row.

    Args:
        table: filled.
        layout: of it.
        measure: that filled it.
        quantity: of the table's columns.
        other: quantity to say in its place.
    """
    decimals = max(
        [QUANTITIES[other].decimals]
        + [shown.decimals for shown in table.columns if shown.quantity == quantity]
    )
    for row in layout.rows:
        said = []
        for shown in layout.columns:
            if row.spec is None or shown.task is None or shown.quantity != quantity:
                continue
            sample = measure(row.spec, column(other, shown.task))
            if sample is not None:
                said.append(f"{heading(shown.task)} {sample.estimate.mean:.{decimals}f}")
        if said:
            yield f"{_name(table, row.labels)} {', '.join(said)}"


def _name(table: Table, labels: tuple[str, ...]) -> str:
    return table.short_name_of(Row("", labels, (), ours=True))


_FLOPS = "; the paper calls its own FLOPs and does not say how they were counted."


def _costs(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """The size of the networks that were counted, and the same averages as the search had them."""
    yield (
        f"Mean params and MACs are of networks with {measure.channels} channels and "
        f"N = {_depth(layout)}" + (_FLOPS if layout.is_paper else ".")
    )
    said = []
    for row in layout.rows:
        if row.spec is None:
            continue
        parameters = measure.per_step(row.spec, parameters_of)
        macs = measure.per_step(row.spec, macs_of)
        if parameters is not None and macs is not None:
            numbers = f"{parameters.estimate.mean:.3f} and {macs.estimate.mean:.1f}"
            said.append(f"{_name(table, row.labels)} {numbers}")
    experiments = measure.family.find(layout.kinds)
    if said and experiments:
        channels = experiments[0].settings["supernet.channels"]
        yield (
            f"The same in the search's network ({channels} channels, N = 1, slices in use): "
            f"{'; '.join(said)}."
        )


def _modes(layout: Layout, measure: Measure) -> Iterator[str]:
    experiments = measure.family.find(layout.kinds)
    modes = {run.search.batch_norm for e in experiments for run in e.finished if run.search}
    if modes:
        yield f"Validated with batch norm {' / '.join(sorted(modes))}."
