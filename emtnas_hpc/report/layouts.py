"""The layouts of the paper's tables: their columns, and what each row asks for."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from emtnas_hpc.report.columns import column
from emtnas_hpc.report.experiments import PAPER_RMP, Experiment, Family, Kind, RowSpec
from emtnas_hpc.report.load import heading, is_medical
from emtnas_hpc.report.paper import PaperTable, Quoted, paper_table, rerun_table
from emtnas_hpc.report.table import Column


@dataclass(frozen=True)
class LayoutRow:
    """One row before it is filled.

    Attributes:
        labels: its words.
        spec: what it asks for; None for a row that is quoted only.
        paper: printed values by column.
        rerun: those of the independent re-run.
    """

    labels: tuple[str, ...]
    spec: RowSpec | None
    paper: Mapping[str, Quoted] = field(default_factory=dict)
    rerun: Mapping[str, Quoted] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """One table before it is filled.

    Attributes:
        number: of the table in the paper.
        title: without its number.
        labels: headings of the words.
        columns: of the values.
        rows: top to bottom.
        is_paper: whether printed numbers stand in it: it has the paper's data sets and networks.
    """

    number: int
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[LayoutRow, ...]
    is_paper: bool

    @property
    def kinds(self) -> frozenset[Kind]:
        """All experiments that it asks for."""
        return frozenset(kind for row in self.rows if row.spec for kind in row.spec.kinds)

    def stacked(self, n_normal: int) -> "Layout":
        """With networks of so many normal cells between two reductions."""
        rows = (
            row if row.spec is None else replace(row, spec=replace(row.spec, n_normal=n_normal))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))


def paper_rows(table: PaperTable) -> tuple[LayoutRow, ...]:
    """The rows of a printed table."""
    return tuple(LayoutRow(row.labels, row.spec, row.cells) for row in table.rows)


def own_rows(rows: Sequence[tuple[tuple[str, ...], RowSpec]]) -> tuple[LayoutRow, ...]:
    """Rows that were never printed."""
    return tuple(LayoutRow(labels, spec) for labels, spec in rows)


#: In the order of the paper's columns.
CIFAR = ("cifar10", "cifar100")
IMAGENET = "imagenet"


def cifar() -> Layout:
    """Table 3."""
    columns = [column("device_days")]
    for task in CIFAR:
        columns += [column("parameters", task), column("accuracy", task)]
    return Layout(
        3,
        "CIFAR: test accuracy after retraining († normal cells stacked three times)",
        paper_table(3).labels,
        tuple(columns),
        paper_rows(paper_table(3)),
        is_paper=True,
    )


def imagenet() -> Layout:
    """Table 4."""
    columns = (
        column("accuracy", IMAGENET, name="Top-1"),
        column("top5", IMAGENET, name=""),
        column("parameters", IMAGENET, name=""),
        column("device_days"),
    )
    return Layout(
        4,
        "ImageNet: architectures found on CIFAR, retrained († normal cells stacked three times)",
        paper_table(4).labels,
        columns,
        paper_rows(paper_table(4)),
        is_paper=True,
    )


_ALGORITHMS = (
    ("Single-Tasking", False, False),
    ("Single-Tasking+Reeval", False, True),
    ("Multi-Tasking", True, False),
    ("Multi-Tasking+Reeval", True, True),
)
_MEASURES = ("accuracy", "parameters", "transfer")
_TIMES = ("time_total", "time_training", "time_evaluation", "time_search")
_COSTS = (*_TIMES, "mean_parameters", "mean_macs")


def ablation(tasks: tuple[str, ...], *, printed: bool = True) -> Layout:
    """Table 5 for two data sets, with the printed numbers if it is about theirs."""
    is_paper = printed and tasks == CIFAR
    columns = [column(what, task) for task in tasks for what in _MEASURES]
    if is_paper:
        rows = paper_rows(paper_table(5))
    else:
        rows = own_rows(
            [
                ((str(index), name), RowSpec(tasks, joint=joint, reevaluate=reevaluate))
                for index, (name, joint, reevaluate) in enumerate(_ALGORITHMS, start=1)
            ]
        )
    return Layout(
        5,
        f"{_named(tasks)}: single and multi-tasking, with and without re-evaluation",
        paper_table(5).labels,
        (*columns, *map(column, _COSTS)),
        rows,
        is_paper,
    )


def sweep(
    tasks: tuple[str, ...], probabilities: Iterable[float], *, printed: bool = True
) -> Layout:
    """Table 6 for two data sets and these random mating probabilities, likewise."""
    is_paper = printed and tasks == CIFAR
    columns: list[Column] = []
    for task in tasks:
        columns += [
            column("validation", task),
            column("accuracy", task, name=f"{heading(task)} test"),
        ]
    theirs = paper_rows(paper_table(6)) if is_paper else ()
    specs = {row.spec: row for row in theirs}
    for rmp in probabilities:
        spec = RowSpec(tasks, joint=True, reevaluate=True, rmp=rmp)
        specs.setdefault(spec, LayoutRow((f"{rmp:g}",), spec))
    rows = sorted(specs.values(), key=lambda row: float(row.labels[0]))
    return Layout(
        6,
        f"{_named(tasks)}: random mating probability",
        paper_table(6).labels,
        tuple(columns),
        tuple(rows),
        is_paper,
    )


def _named(tasks: tuple[str, ...]) -> str:
    return " and ".join(map(heading, tasks))


#: In the order of the paper's columns.
PAPER_TASKS = ("pathmnist", "organamnist", "organcmnist", "organsmnist")

_LABELS = ("Index", "# Tasks", "Model")


def paper_combinations() -> Layout:
    """The paper's four data sets."""
    columns = (
        *(column("accuracy", task, decimals=1) for task in PAPER_TASKS),
        column("time_total", heading="GPU days (%)"),
    )
    rows = tuple(map(_with_rerun, paper_rows(paper_table(2))))
    title = "MedMNIST: test accuracy after retraining"
    return Layout(2, title, _LABELS, columns, rows, is_paper=True)


def combinations(tasks: tuple[str, ...], joint: Iterable[frozenset[str]]) -> Layout:
    """Other data sets, and those combinations of them that were searched for together."""
    alone = RowSpec(tasks, joint=False, reevaluate=False)
    together = [
        RowSpec(tuple(task for task in tasks if task in members), joint=True, reevaluate=True)
        for members in joint
    ]
    together.sort(key=lambda spec: (len(spec.tasks), [tasks.index(t) for t in spec.tasks]))
    rows = [
        (("", "1", "Single-Tasking (Baseline)"), alone),
        *(
            ((str(index), str(len(spec.tasks)), "EMT-NAS"), spec)
            for index, spec in enumerate(together, start=1)
        ),
    ]
    measures = (column(what, task) for task in tasks for what in ("accuracy", "auc"))
    title = f"{', '.join(map(heading, tasks))}: test accuracy after retraining"
    columns = (*measures, column("time_total"))
    return Layout(2, title, _LABELS, columns, own_rows(rows), is_paper=False)


def _with_rerun(row: LayoutRow) -> LayoutRow:
    again = None if row.spec is None else rerun_table().find(row.spec)
    return row if again is None else replace(row, rerun=again.cells)


def paper_layout(number: int) -> Layout:
    """A table of the paper, for its own data sets."""
    layouts = (
        paper_combinations(),
        cifar(),
        imagenet(),
        ablation(CIFAR),
        sweep(CIFAR, ()),
    )
    return layouts[number - 2]


def layouts_of(family: Family) -> list[Layout]:
    """The tables that at least one row of which is among the family's experiments.

    Tables 5 and 6 need more than what Tables 2 and 3 have already: another ablation, another
    random mating probability.
    """
    kinds = set(family.experiments)
    tasks = {task for kind in kinds for task in kind.tasks}
    found = []
    for component in _components(kinds):
        if set(component) <= set(PAPER_TASKS):
            continue
        if set(component) <= set(CIFAR):
            found += [cifar(), imagenet()]
        elif _can_compare(component, family):
            found.append(_combinations(component, kinds))
    if tasks & set(PAPER_TASKS):
        found.append(paper_combinations())
    for pair in _pairs(family):
        found += _ablations(pair, kinds)
    found.sort(key=lambda layout: layout.number)
    unique = {(layout.number, layout.title): layout for layout in found}
    return [layout for layout in unique.values() if layout.kinds & kinds]


def own_layout(layout: Layout, family: Family) -> Layout:
    """The same without what was printed: for networks that are not the paper's."""
    kinds = set(family.experiments)
    if layout.number == 2:
        there = {task for kind in kinds & layout.kinds for task in kind.tasks}
        return _combinations([task for task in PAPER_TASKS if task in there], kinds)
    if layout.number == 5:
        return ablation(CIFAR, printed=False)
    return sweep(CIFAR, _probabilities(frozenset(CIFAR), kinds), printed=False)


def _combinations(tasks: Sequence[str], kinds: Collection[Kind]) -> Layout:
    joint = {
        kind.tasks
        for kind in kinds
        if kind.reevaluate and kind.rmp == PAPER_RMP and kind.tasks <= set(tasks)
    }
    return combinations(tuple(tasks), joint)


def _ablations(pair: tuple[str, ...], kinds: Collection[Kind]) -> Iterator[Layout]:
    both = frozenset(pair)
    plain = Kind(both, reevaluate=False, rmp=PAPER_RMP)
    reevaluated = {Kind(frozenset({task}), reevaluate=True, rmp=None) for task in pair}
    if plain in kinds or reevaluated & set(kinds):
        yield ablation(pair)
    rmps = _probabilities(both, kinds)
    if rmps - {PAPER_RMP}:
        yield sweep(pair, rmps)


def _probabilities(tasks: frozenset[str], kinds: Collection[Kind]) -> set[float]:
    return {k.rmp for k in kinds if k.tasks == tasks and k.reevaluate and k.rmp is not None}


def _pairs(family: Family) -> list[tuple[str, ...]]:
    """All pairs of data sets that were searched for together; those of the paper in its order."""
    pairs: dict[frozenset[str], tuple[str, ...]] = {}
    for kind, experiment in family.experiments.items():
        if len(kind.tasks) == 2:
            pair = CIFAR if kind.tasks == set(CIFAR) else tuple(experiment.tasks)
            pairs.setdefault(kind.tasks, pair)
    alone = {task for kind in family.experiments if len(kind.tasks) == 1 for task in kind.tasks}
    if set(CIFAR) & alone:
        pairs.setdefault(frozenset(CIFAR), CIFAR)
    return [pairs[key] for key in sorted(pairs, key=sorted)]


def _can_compare(tasks: Sequence[str], family: Family) -> bool:
    """Whether a table of combinations says more than a list would."""
    kinds = family.experiments
    joint = any(len(kind.tasks) > 1 and kind.tasks <= set(tasks) for kind in kinds)
    alone = any(len(kind.tasks) == 1 and kind.tasks <= set(tasks) for kind in kinds)
    return joint and (alone or all(_medical(task, family.experiments.values()) for task in tasks))


def _medical(task: str, experiments: Collection[Experiment]) -> bool:
    for experiment in experiments:
        if task in experiment.tasks:
            source = experiment.runs[0].sources[experiment.tasks.index(task)]
            return is_medical(task, source)
    return False


def _components(kinds: Collection[Kind]) -> list[list[str]]:
    """Data sets that were searched for together, directly or by way of others."""
    components: list[set[str]] = []
    for kind in kinds:
        touched = [component for component in components if component & kind.tasks]
        components = [component for component in components if not component & kind.tasks]
        components.append(set(kind.tasks).union(*touched))
    return sorted(sorted(component) for component in components)
