"""All tables that a set of runs can fill, and the summary of their searches."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from emtnas_hpc.report.caveats import reservations
from emtnas_hpc.report.columns import Measure, column, incumbents_retrainings, pairs_of
from emtnas_hpc.report.experiments import Experiment, Family, Recipe, experiments_of, families_of
from emtnas_hpc.report.filling import fill, fitted
from emtnas_hpc.report.layouts import Layout, layouts_of, own_layout, paper_layout
from emtnas_hpc.report.legend import describe_recipe, meaning_notes, meanings
from emtnas_hpc.report.load import Run, SeedResult, TaskResult
from emtnas_hpc.report.table import Column, Entry, Row, Table, diverged_of, sample_of
from emtnas_hpc.retraining.record import Retraining

_COLUMNS = (
    column("accuracy", name="Test"),
    *map(column, ("top5", "auc", "parameters", "macs")),
)
_SHOWN_DIGITS = 6
_LABELS = ("Experiment", "Found on", "Data set", "N", "Recipe")

#: A run with what was retrained in it.
Members = list[tuple[Run, Retraining]]


def other_table(runs: Sequence[Run], used: Collection[str]) -> Table:
    """All finished retrainings but those whose signatures were used elsewhere."""
    groups: dict[tuple[str, str], Members] = defaultdict(list)
    for run in runs:
        for retraining in run.retrainings:
            header = retraining.header
            if retraining.finished and header.signature not in used:
                key = (header.experiment, header.experiment_signature)
                groups[key].append((run, retraining))
    rows = tuple(
        _distinct_labels([_other_row(groups[key]) for key in sorted(groups)], sorted(groups))
    )
    recipes = sorted({Recipe.of(r) for members in groups.values() for _run, r in members})
    table = fitted(Table("other", "Other experiments", _LABELS, _COLUMNS, rows))
    notes = (
        "Mean ± sample standard deviation over seeds (n in brackets).",
        *map(describe_recipe, recipes),
        *meanings(table),
        *table.diverged_notes,
    )
    return table.with_notes(notes)


def _distinct_labels(rows: Sequence[Row], keys: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Rows of one label, such as of two sets of images, with a part of their signatures."""
    alike = Counter(row.labels for row in rows)
    for row, (_name, signature) in zip(rows, keys, strict=True):
        if alike[row.labels] == 1:
            yield row
        else:
            *others, recipe = row.labels
            labels = (*others, f"{recipe} [{signature[:_SHOWN_DIGITS]}]")
            yield replace(row, key=" ".join(labels), labels=labels)


def _other_row(members: Members) -> Row:
    header = members[0][1].header
    labels = (
        header.experiment,
        header.found_on or "-",
        header.task,
        str(header.shape.n_normal),
        header.recipe,
    )
    entries = tuple(_other_entry(members, column.quantity) for column in _COLUMNS)
    return Row(" ".join(labels), labels, entries, ours=True)


def _other_entry(members: Members, quantity: str) -> Entry:
    pairs = pairs_of(members, quantity)
    return Entry(sample_of(pairs), diverged=diverged_of(pairs))


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


@dataclass(frozen=True)
class SearchColumn:
    """What is said of a task's searches.

    Attributes:
        key: of a `TaskResult`.
        name: the heading without the unit.
        unit: that is shown.
        scale: from the stored unit to the shown one.
        decimals: that are shown.
    """

    key: str
    name: str
    unit: str
    scale: float
    decimals: int

    @property
    def heading(self) -> str:
        """With the unit."""
        return f"{self.name} {self.unit}"

    def value(self, result: TaskResult) -> float:
        """What a seed found, in the unit that is shown; nan where it was not measured."""
        return self.scale * float(getattr(result, self.key))


#: Of every format.
SEARCH_COLUMNS = (
    SearchColumn("true_fitness", "true", "%", 100.0, 2),
    SearchColumn("first_true_fitness", "first", "%", 100.0, 2),
    SearchColumn("sampled_accuracy", "sampled", "%", 100.0, 2),
    SearchColumn("parameters", "params", "M", 1e-6, 3),
    SearchColumn("macs", "MACs", "M", 1e-6, 2),
    SearchColumn("seconds_training", "train", "s", 1.0, 1),
    SearchColumn("seconds_evaluation", "eval.", "s", 1.0, 1),
    SearchColumn("seconds_search", "search", "s", 1.0, 2),
)
#: What these columns are.
SEARCH_NOTES = (
    "Mean ± sample standard deviation over seeds. These are the supernet's accuracies on "
    "validation images: how a search went, never which setting is better.",
    "true: the incumbent's accuracy on the whole validation set; first: of generation 1's "
    "fittest; sampled: the incumbent's on its mini-batch.",
    "params, MACs: of the incumbent in the search's network, output slices in use; MACs of "
    "convolutions and classifier.",
)


@dataclass(frozen=True)
class Statistic:
    """Mean and sample standard deviation (ddof = 1); nan where there are too few values."""

    mean: float
    std: float


@dataclass(frozen=True)
class TaskSummary:
    """A task over the seeds of its experiment.

    Attributes:
        task: its data set.
        quantities: a statistic for each.
        diverged: seeds whose training loss did; they are in none of them.
    """

    task: str
    quantities: dict[str, Statistic]
    diverged: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """An experiment over its seeds.

    Attributes:
        name: of the experiment.
        experiment_signature: two experiments of one name differ in it.
        seeds: that are averaged: the finished ones, or all while none is finished; of each task
            without those that diverged.
        unfinished: seeds that have not reached their last generation; left out, if others have.
        batch_norm: mode in which accuracies were measured; those of two modes do not compare.
        condition_changes: by seed, where it was carried on under other conditions.
        diverged: by seed, the tasks whose training loss did, each with the first such generation.
        tasks: in order of skill factor.
    """

    name: str
    experiment_signature: str
    seeds: tuple[int, ...]
    unfinished: tuple[int, ...]
    batch_norm: str
    condition_changes: dict[int, tuple[str, ...]]
    diverged: dict[int, tuple[str, ...]]
    tasks: tuple[TaskSummary, ...]


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """One summary for every experiment, by name; what differs in a setting is never averaged."""
    return tuple(map(_summary, experiments_of(runs)))


def _summary(experiment: Experiment) -> Summary:
    results = [run.search for run in experiment.averaged if run.search is not None]
    by_task = zip(*(result.tasks for result in results), strict=True)
    seeds = tuple(result.seed for result in results)
    return Summary(
        name=experiment.name,
        experiment_signature=experiment.signature,
        seeds=seeds,
        unfinished=experiment.unfinished,
        batch_norm=results[0].batch_norm,
        condition_changes={r.seed: r.condition_changes for r in results if r.condition_changes},
        diverged={r.seed: where for r in results if (where := _diverged(r))},
        tasks=tuple(_task_summary(seeds, over_seeds) for over_seeds in by_task),
    )


def search_tables(runs: Sequence[Run]) -> tuple[Table, ...]:
    """A table of what its searches found for every experiment, by name."""
    return tuple(map(search_table, experiments_of(runs)))


def search_table(experiment: Experiment) -> Table:
    """A row a task: mean and deviation over the seeds that did not diverge."""
    results = [run.search for run in experiment.averaged if run.search is not None]
    by_task = zip(*(result.tasks for result in results), strict=True)
    seeds = [result.seed for result in results]
    unfinished = f", {listed(experiment.unfinished)} not finished" if experiment.unfinished else ""
    if unfinished and experiment.finished:
        unfinished += " and left out"
    table = Table(
        f"searches-{experiment.key}",
        f"{experiment.title}: {listed(seeds)} (n = {len(seeds)}){unfinished}; supernet, batch norm "
        f"{results[0].batch_norm}",
        ("task",),
        tuple(Column(c.key, c.heading, c.decimals) for c in SEARCH_COLUMNS),
        tuple(_row(seeds, over_seeds) for over_seeds in by_task),
    )
    return table.with_notes((*table.diverged_notes, *search_notes([experiment])))


def search_notes(experiments: Sequence[Experiment]) -> list[str]:
    """What the columns are, and what speaks against a seed."""
    results = [
        (experiment.name, run.search)
        for experiment in experiments
        for run in experiment.averaged
        if run.search is not None
    ]
    changed = [
        f"Equal bits are not promised: {name}, seed {r.seed}, went on with "
        f"{'; '.join(r.condition_changes)}."
        for name, r in results
        if r.condition_changes
    ]
    diverged = [
        f"The training loss diverged: {name}, seed {r.seed}, {'; '.join(where)}."
        for name, r in results
        if (where := _diverged(r))
    ]
    return [*SEARCH_NOTES, *changed, *diverged]


def listed(seeds: Sequence[int]) -> str:
    """`seeds 0, 1, 4`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _row(seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> Row:
    task = over_seeds[0].task
    return Row(task, (task,), tuple(_entry(c, seeds, over_seeds) for c in SEARCH_COLUMNS), True)


def _entry(column: SearchColumn, seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> Entry:
    by_seed = list(zip(seeds, over_seeds, strict=True))
    return Entry(
        sample_of((seed, column.value(r)) for seed, r in by_seed if r.diverged_in is None),
        missing="-",
        diverged=tuple(seed for seed, r in by_seed if r.diverged_in is not None),
    )


def _diverged(result: SeedResult) -> tuple[str, ...]:
    return tuple(
        f"{task.task} in generation {task.diverged_in}"
        for task in result.tasks
        if task.diverged_in is not None
    )


def _task_summary(seeds: Sequence[int], over_seeds: Sequence[TaskResult]) -> TaskSummary:
    counted = [result for result in over_seeds if result.diverged_in is None]
    by_seed = zip(seeds, over_seeds, strict=True)
    return TaskSummary(
        over_seeds[0].task,
        {c.key: _statistic(getattr(r, c.key) for r in counted) for c in SEARCH_COLUMNS},
        tuple(seed for seed, result in by_seed if result.diverged_in is not None),
    )


def _statistic(values: Iterable[float]) -> Statistic:
    known = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=statistics.fmean(known) if known else math.nan,
        std=statistics.stdev(known) if len(known) > 1 else math.nan,
    )
