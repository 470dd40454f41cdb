"""What the numbers of a table are."""

from collections.abc import Iterator

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import Recipe
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.paper import PAPER, RERUN
from emtnas_hpc.report.quantities import Measure
from emtnas_hpc.report.significance import significance_notes
from emtnas_hpc.report.table import Column, Row, Table


def meaning_notes(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """One sentence or two for every kind of number that the table has."""
    yield "Mean ± sample standard deviation over seeds (n in brackets); bold: best of a column."
    if measure.recipe is not None:
        yield describe_recipe(measure.recipe)
    yield from significance_notes(table)
    yield from _sources(table)
    quantities = {column.quantity for column in table.columns}
    if "accuracy" in quantities:
        yield from _auc(table, layout, measure)
    if "parameters" in quantities:
        yield from _parameters(table, layout, measure)
    if "validation" in quantities:
        yield _validation(layout, measure)
    if {"mean_parameters", "mean_macs"} & quantities:
        yield _costs(layout, measure)
    yield from (text for names, text in _MEANINGS if names & quantities)


def describe_recipe(recipe: Recipe) -> str:
    """How architectures were retrained."""
    plural = "" if recipe.n_epochs == 1 else "s"
    return (
        f"Retrained with recipe {recipe.label} ({recipe.origin}): {recipe.n_epochs} epoch{plural}, "
        f"{recipe.channels} channels, training and validation images together; the test set is "
        "read once, after the last epoch."
    )


_MEANINGS = (
    (
        {"time_total", "time_training", "time_evaluation", "time_search"},
        "Time: change of the wall clock of searches against the sum of the single-tasking ones, "
        "in percent; without queueing, repeated generations and the measurement of true fitness.",
    ),
    (
        {"device_days"},
        "GPU days: wall clock of a row's searches together, on whatever device they ran, without "
        "the measurement of true fitness.",
    ),
    (
        {"transfer"},
        "Transfer: the architecture found on the other data set, retrained on this one; compared "
        "with single-tasking's own.",
    ),
)


def _sources(table: Table) -> Iterator[str]:
    entries = [entry for row in table.rows for entry in row.entries]
    if any(entry.paper for entry in entries):
        yield f"paper: {PAPER if table.key != 'table4' else PAPER.replace('5 seeds', 'one run')}."
    if any(entry.rerun for entry in entries):
        yield f"re-run: {RERUN}."


def _parameters(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """Both conventions, because the paper does not name its own."""
    in_use = list(_values(table, layout, measure, "parameters", "parameters_in_use", 2))
    text = "Params: every output slice of the 1x1 convolutions counted, as the paper's agree with"
    yield text + (f"; slices in use only: {'; '.join(in_use)}." if in_use else ".")


def _auc(table: Table, layout: Layout, measure: Measure) -> Iterator[str]:
    """MedMNIST's second measure, which the paper's tables have no column for."""
    found = list(_values(table, layout, measure, "accuracy", "auc", 4))
    if found:
        yield f"AUC by medmnist's evaluator, mean over seeds: {'; '.join(found)}."


def _values(
    table: Table, layout: Layout, measure: Measure, quantity: str, other: str, decimals: int
) -> Iterator[str]:
    """What is measured beside a table's own columns, row by row.

    Args:
        table: filled.
        layout: of it.
        measure: that filled it.
        quantity: of the table's columns.
        other: quantity to say in its place.
        decimals: of it.
    """
    for row in layout.rows:
        for column in layout.columns:
            if row.spec is None or column.task is None or column.quantity != quantity:
                continue
            sample = measure(row.spec, Column(f"{column.task}.{other}", "", decimals))
            if sample is not None:
                name = table.name_of(Row("", row.labels, (), ours=True))
                mean = f"{sample.estimate.mean:.{decimals}f}"
                yield f"{name}, {heading(column.task)}: {mean}"


def _costs(layout: Layout, measure: Measure) -> str:
    """Of another network than the paper's, so that nobody takes the two for one quantity."""
    widths = sorted(
        {
            experiment.settings["supernet.channels"]
            for experiment in measure.family.find(layout.kinds)
        }
    )
    width = f" (C = {' / '.join(map(str, widths))})" if widths else ""
    return (
        f"Mean params and MACs: of the search's network{width} over all training steps, output "
        "slices in use, MACs of convolutions and classifier. Not the paper's quantity: its params "
        "fit networks of C = 48 that are stacked twice, every slice counted; it calls its own "
        "FLOPs and does not say how they were counted."
    )


def _validation(layout: Layout, measure: Measure) -> str:
    experiments = measure.family.find(layout.kinds)
    modes = {run.search.batch_norm for e in experiments for run in e.finished if run.search}
    mode = f" (batch norm {' / '.join(sorted(modes))})" if modes else ""
    return (
        f"Supernet validation: the incumbent's accuracy with the weights of the search{mode} on "
        "all validation images, before any retraining: how a search went, never which is better."
    )
