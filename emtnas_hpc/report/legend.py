"""What the numbers of a table are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.columns import QUANTITIES, Measure, column
from emtnas_hpc.report.counting import macs_of, parameters_of
from emtnas_hpc.report.experiments import Experiment, Family, Recipe
from emtnas_hpc.report.filling import significance_notes
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.load import Run, heading
from emtnas_hpc.report.paper import PAPER, RERUN, SOURCE
from emtnas_hpc.report.table import Row, Table


def study_notes(layout: Layout, family: Family) -> Iterator[str]:
    """Nothing below a table of the paper: what differs from the paper is said there instead."""
    experiments = family.find(sorted(layout.kinds, key=str))
    if layout.is_paper or not experiments:
        return
    yield f"Laid out as Table {layout.number} of {SOURCE} (the paper)."
    yield f"Searches: {_describe(family.settings)}."
    yield from _images(experiments)


def _describe(settings: Mapping[str, Any]) -> str:
    """What decides how much a search costs."""
    size, batches = settings["training.batch_size"], settings["training.batches"]
    amount = f"an epoch in mini-batches of {size}"
    if isinstance(batches, int):
        amount = f"{batches} mini-batches of {size}"
    return (
        f"{settings['search.generations']} generations, population "
        f"{settings['search.population']}, {settings['supernet.channels']} channels, N = 1; a "
        f"generation trains on {amount} images of each task and evaluates an individual on "
        f"{settings['evaluation.batch_size']}"
    )


def _images(experiments: Sequence[Experiment]) -> Iterator[str]:
    """How many of each data set; of a test set as soon as one was read."""
    counts: dict[str, str] = {}
    for experiment in experiments:
        for run in experiment.averaged:
            for name, count in _counts(run):
                counts.setdefault(name, count)
    if counts:
        said = "; ".join(f"{heading(name)} {count}" for name, count in sorted(counts.items()))
        yield f"Images (training, validation, test): {said}."


def _counts(run: Run) -> Iterator[tuple[str, str]]:
    tested = {r.header.task: r.header.n_test for r in run.retrainings}
    headers = () if run.trace is None else run.trace.header.tasks
    for header, name in zip(headers, run.tasks, strict=True):
        test = f"{tested[header.name]:,}" if header.name in tested else "not read"
        yield name, f"{header.n_training:,}, {header.n_validation:,}, {test}"


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
