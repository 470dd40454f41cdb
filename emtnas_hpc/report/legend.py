"""Notes below a table: what its numbers are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import ExperimentRuns, Family, Recipe
from emtnas_hpc.report.measurements import Measured
from emtnas_hpc.report.search_frames import macs_of, parameters_of
from emtnas_hpc.report.specs import RERUN, SOURCE, TableSpec, open_choices, quantities
from emtnas_hpc.report.stats import LEVEL, seeds_needed, smallest_p
from emtnas_hpc.report.table import Table, TableCell
from emtnas_hpc.settings.experiment import LEFT_OUT, show, value_of

_RANDOM = (
    "Random search (ours) is not in the paper: every individual is drawn at random, with as many "
    "training steps and evaluations as in the row above."
)
_FLOPS = "; the paper calls its own FLOPs and does not say how they were counted."


def legend(table: Table, spec: TableSpec, measured: Measured) -> Iterator[str]:
    """One sentence or two for every kind of number that the table has."""
    yield "Mean ± sample standard deviation over seeds (n in brackets); bold: best of a column."
    if measured.recipe is not None:
        yield describe_recipe(measured.recipe, spec.depth)
    if not spec.is_paper:
        yield from _searches(spec, measured.family)
    yield from choices(measured.family.find(spec.kinds), [measured.recipe])
    yield from significance_notes(table)
    cells = [cell for row in table.rows for cell in row.cells]
    if any("paper" in cell.quoted for cell in cells):
        yield f"paper: {SOURCE} ({spec.layout.get('runs', '5 seeds')})."
    if any("rerun" in cell.quoted for cell in cells):
        yield f"re-run: {RERUN}."
    if any(row.spec is not None and row.spec.random for row in spec.rows):
        yield _RANDOM
    yield from meanings(table)
    quantity_names = {column.quantity for column in table.columns}
    yield from _without_column(table, spec, measured)
    if "validation" in quantity_names:
        experiments = measured.family.find(spec.kinds)
        modes = {r.header.batch_norm for e in experiments if e.finished for r in e.results}
        if modes:
            yield f"Validated with batch norm {' / '.join(sorted(modes))}."
    if "mean_parameters" in quantity_names:
        yield from _networks(table, spec, measured)


def meanings(table: Table) -> list[str]:
    """What is said of each column's quantity, once."""
    said = (quantities()[column.quantity].meaning for column in table.columns)
    return list(filter(None, dict.fromkeys(said)))


def describe_recipe(recipe: Recipe, n_normal: int | None = None) -> str:
    """How architectures were retrained; how often they were stacked, where that is one number."""
    plural = "" if recipe.n_epochs == 1 else "s"
    stacked = "" if n_normal is None else f", N = {n_normal}"
    images = "the training images alone; the test set "
    if _training_images(recipe) != "train":
        images = "all images but those of the test set; that "
    return (
        f"Retrained with recipe {recipe.label} ({recipe.origin}): {recipe.n_epochs} epoch{plural}, "
        f"{recipe.channels} channels{stacked}, on {images}"
        "is read once, after the last epoch."
    )


def _training_images(recipe: Recipe) -> str:
    # No recipe has the other value, so that a label tells.
    name = "training_images"
    return "train" if f"+{name}=train" in recipe.label else LEFT_OUT[name]


def choices(
    experiments: Sequence[ExperimentRuns], recipes: Iterable[Recipe | None]
) -> Iterator[str]:
    """What the paper leaves open, one line a choice; nothing of what made no difference."""
    known = [experiment for experiment in experiments if experiment.settings]
    mated = [len(e.tasks) for e in known if e.settings.get("search.strategy") != "random"]
    there = {"": True, "parents": bool(mated), "tasks": max(mated, default=0) > 1}
    for name, words in open_choices().items():
        if name.startswith("retraining."):
            values = {_training_images(recipe) for recipe in recipes if recipe is not None}
        else:
            values = {show(value_of(experiment.settings, name)) for experiment in known}
        if known and values and there[words.get("needs", "")]:
            said = " / ".join(words.get(value, value) for value in sorted(values))
            yield f"{words['called']}: {said} (the paper does not say)."


def significance_notes(table: Table) -> Iterator[str]:
    """What the stars mean, and where no star was possible, with how many seeds there would be."""
    of_columns = {
        column.heading: table.cells(i) for i, column in enumerate(table.columns) if column.tested
    }
    tests = [cell.test for cells in of_columns.values() for cell in cells if cell.test]
    if not tests:
        if any(cell.estimate for cells in of_columns.values() for cell in cells):
            yield (
                "Nothing is tested: it takes an experiment and its single-tasking baseline, with "
                "two seeds each."
            )
        return
    drawn = "splits drawn with a fixed seed where there are over 200,000"
    yield (
        "* p < 0.05, ** also q < 0.05: unpaired permutation test of Welch's statistic, two-sided, "
        "against single-tasking on the same task "
        f"({'exact' if all(test.exact for test in tests) else drawn}); q: p after Holm's "
        "adjustment within the column."
    )
    limits = (_limits([cell for cell in cells if cell.test]) for cells in of_columns.values())
    yield from filter(None, dict.fromkeys(limits))
    # Every p and q, which have no room in the table.
    yield " ".join(
        f"p, q of {heading}: {'; '.join(values)}."
        for heading, cells in of_columns.items()
        if (values := _p_values(table, cells))
    )


def _p_values(table: Table, cells: Sequence[TableCell]) -> list[str]:
    return [
        f"{table.short_name_of(row.labels)} {cell.test.p:.4f}, {cell.q:.4f}"
        for row, cell in zip(table.rows, cells, strict=True)
        if cell.test is not None
    ]


def _limits(tested: Sequence[TableCell]) -> str:
    """What the numbers of seeds of one column rule out."""
    if not tested:
        return ""
    sizes = [(len(cell.values), cell.n_baseline) for cell in tested]
    n_own, n_baseline = min(sizes, key=lambda pair: smallest_p(*pair))
    smallest, seeds = smallest_p(n_own, n_baseline), f"{n_own} against {n_baseline} seeds"
    if smallest >= LEVEL:
        n = seeds_needed()
        return (
            f"No star is possible with {seeds} (p is at least {smallest:.3f}); "
            f"{n} against {n} would do for one."
        )
    if len(tested) * smallest >= LEVEL:
        n = seeds_needed(len(tested))
        return (
            f"No two stars are possible with {seeds} and {len(tested)} comparisons in a column (q "
            f"is at least {len(tested) * smallest:.3f}); {n} against {n} would do."
        )
    return ""


def _searches(spec: TableSpec, family: Family) -> Iterator[str]:
    """What decides how much a search costs, and how many images there are."""
    experiments = family.find(spec.kinds)
    if not experiments:
        return
    yield f"Laid out as Table {spec.number} of {SOURCE} (the paper)."
    settings: Mapping[str, Any] = family.settings
    size, batches = settings["training.batch_size"], settings["training.batches"]
    amount = f"an epoch in mini-batches of {size}"
    if batches != "epoch":
        amount = f"{batches} mini-batches of {size}"
    yield (
        f"Searches: {settings['search.generations']} generations, population "
        f"{settings['search.population']}, {settings['supernet.channels']} channels, N = 1; a "
        f"generation trains on {amount} images of each task and evaluates an individual on "
        f"{settings['evaluation.batch_size']}."
    )
    counts = sorted(_images(experiments).items())
    if counts:
        said = "; ".join(f"{heading(name)} {count}" for name, count in counts)
        yield f"Images (training, validation, test): {said}."


def _images(experiments: Sequence[ExperimentRuns]) -> dict[str, str]:
    """How many of each data set; of a test set as soon as one was read."""
    tested = {
        run.known_task(retraining.header.task): f"{retraining.header.n_test:,}"
        for experiment in experiments
        for run in experiment.runs
        for retraining in run.retrainings
        if retraining.finished
    }
    counts: dict[str, str] = {}
    for experiment in experiments:
        for run, result in zip(experiment.averaged, experiment.results, strict=True):
            for header, name in zip(result.header.tasks, run.tasks, strict=True):
                count = f"{header.n_training:,}, {header.n_validation:,}"
                counts.setdefault(name, f"{count}, {tested.get(name, 'not read')}")
    return counts


def _without_column(table: Table, spec: TableSpec, measured: Measured) -> Iterator[str]:
    """Quantities that have no column, row by row, where that which their note is of has one."""
    for name, known in quantities().items():
        columns = [column for column in table.columns if column.quantity == known.note_of]
        if not columns or name in {column.quantity for column in table.columns}:
            continue
        decimals = max([known.decimals, *(column.decimals for column in columns)])
        said = []
        for row in spec.rows:
            means = [
                f"{heading(column.task or '')} {cell.estimate.mean:.{decimals}f}"
                for column in columns
                if row.spec and (cell := measured.cell(row.spec, f"{column.task}.{name}")).estimate
            ]
            if means:
                said.append(f"{table.short_name_of(row.labels)} {', '.join(means)}")
        if said:
            yield f"{known.note}: {'; '.join(said)}."


def _networks(table: Table, spec: TableSpec, measured: Measured) -> Iterator[str]:
    """The size of the networks that were counted, and the same averages as the search had them."""
    yield (
        f"Mean params and MACs are of networks with {measured.channels} channels and "
        f"N = {spec.depth}" + (_FLOPS if spec.is_paper else ".")
    )
    said = []
    for row in spec.rows:
        if row.spec is None:
            continue
        parameters = measured.per_step(row.spec, parameters_of).estimate
        macs = measured.per_step(row.spec, macs_of).estimate
        if parameters is not None and macs is not None:
            numbers = f"{parameters.mean:.3f} and {macs.mean:.1f}"
            said.append(f"{table.short_name_of(row.labels)} {numbers}")
    if said:
        experiment = measured.family.find(spec.kinds)[0]
        yield (
            f"The same in the search's network ({experiment.settings['supernet.channels']} "
            f"channels, N = 1, slices in use): {'; '.join(said)}."
        )
