"""Table specs: the rows, columns and printed numbers of each table, and which tables runs can fill.

They are read from `paper/`: `layouts.toml` names the columns of each table, `quantities.toml`
says what a column may hold, `table2.toml` to `table6.toml` have the paper's rows and printed
numbers.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from emtnas_hpc.report.data_sets import heading, is_medical
from emtnas_hpc.report.experiments import Family, Kind
from emtnas_hpc.report.table import Column, Quoted, quote

_FOLDER = Path(__file__).parent / "paper"
#: Tables that runs can fill.
NUMBERS = (2, 3, 4, 5, 6)
SOURCE = "Liao, Jin, Du, CVPR 2023"
RERUN = "an independent re-run, KTNAS, Zhang et al., IEEE TETCI 2026, Table VI"
#: Of the paper's searches.
PAPER_RMP = 0.3


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


#: The data sets of Tables 3, 5 and 6, and those of Table 2 in the order of its columns.
CIFAR: tuple[str, str] = tuple(_read("layouts.toml")["table3"]["tasks"])
MEDICAL: tuple[str, ...] = tuple(_read("layouts.toml")["table2"]["tasks"])


@dataclass(frozen=True)
class RowSpec:
    """What a row asks for.

    Attributes:
        tasks: data sets of its columns.
        joint: whether they are searched for together, or each by a search of its own.
        reevaluate: whether fitness is re-evaluated.
        rmp: random mating probability of a joint search.
        n_normal: N, normal cells between two reductions in the retrained network.
        found_on: task whose architectures are retrained; None for the column's own.
        random: whether its search is a random one.
        setting: in a sweep, the setting that it is about, with its value.
    """

    tasks: tuple[str, ...]
    joint: bool
    reevaluate: bool
    rmp: float = PAPER_RMP
    n_normal: int = 2
    found_on: str | None = None
    random: bool = False
    setting: str = ""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The experiments that fill the row: a joint one, or one a task."""
        groups = [self.tasks] if self.joint else [(task,) for task in self.tasks]
        rmp = self.rmp if self.joint and not self.random else None
        shared = (self.reevaluate, rmp, self.random, self.setting)
        return tuple(Kind(frozenset(group), *shared) for group in groups)

    @property
    def baseline(self) -> "RowSpec":
        """Single-tasking without re-evaluation on the same tasks, stacked as often."""
        return replace(self, joint=False, reevaluate=False, rmp=PAPER_RMP, random=False)

    @property
    def is_baseline(self) -> bool:
        """Whether it is its own baseline."""
        return not self.joint and not self.reevaluate

    @property
    def key(self) -> str:
        """A name for it in files that programs read."""
        name = "+".join(self.tasks) + (" joint" if self.joint else " single")
        if self.joint:
            name += " random" if self.random else f" rmp={self.rmp:g}"
        name += " reevaluated" if self.reevaluate else ""
        name += f" {self.setting}" if self.setting else ""
        name += f" found-on={self.found_on}" if self.found_on else ""
        return f"{name} n{self.n_normal}"


@dataclass(frozen=True)
class RowLayout:
    """One row before it is filled.

    Attributes:
        spec: the experiments that fill it; None for a row that is quoted only.
        quoted: printed numbers by column and origin; what was left empty is not there.
    """

    labels: tuple[str, ...]
    spec: RowSpec | None
    quoted: dict[str, dict[str, Quoted]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name for it in files that programs read."""
        return (
            f"quoted: {self.labels[0] or self.labels[-1]}" if self.spec is None else self.spec.key
        )


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table before it is filled.

    Attributes:
        number: of the paper's table that it is laid out as.
        title: without that number.
        labels: headings of the words that a row begins with.
        is_paper: whether it has the paper's data sets and networks, and its printed numbers.
        key: of a sweep; else the table is known by its number.
    """

    number: int
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[RowLayout, ...]
    is_paper: bool = False
    key: str = ""

    @property
    def kinds(self) -> frozenset[Kind]:
        """All experiments that its rows need."""
        return frozenset(kind for row in self.rows if row.spec for kind in row.spec.kinds)

    @property
    def depth(self) -> int | None:
        """N of its networks; None if its rows differ in it."""
        depths = {row.spec.n_normal for row in self.rows if row.spec is not None}
        return depths.pop() if len(depths) == 1 else None

    @property
    def layout(self) -> Mapping[str, Any]:
        """What `layouts.toml` says of the paper's table."""
        layout: Mapping[str, Any] = _read("layouts.toml")[f"table{self.number}"]
        return layout

    def stacked(self, n_normal: int) -> "TableSpec":
        """With networks of so many normal cells between two reductions."""
        rows = (
            row if row.spec is None else replace(row, spec=replace(row.spec, n_normal=n_normal))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a column may hold; `paper/quantities.toml` says what each field means."""

    heading: str
    decimals: int
    meaning: str = ""
    signed: bool = False
    tested: bool = False
    significant_digits: int = 0
    optional: bool = False
    note_of: str = ""
    note: str = ""


@cache
def quantities() -> dict[str, Quantity]:
    """Every quantity by its name in a column's key."""
    return {name: Quantity(**values) for name, values in _read("quantities.toml").items()}


def layout_columns(layout: str, tasks: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns that `layouts.toml` names, for its own data sets or for others."""
    values = _read("layouts.toml")[layout]
    names = values["columns"]
    columns = []
    for per_task, group in groupby(names, lambda name: "{}" in quantities()[name].heading):
        block = list(group)
        for task in (tasks or values["tasks"]) if per_task else [""]:
            columns += [_column(name, task, values) for name in block]
    return tuple(columns)


def _column(name: str, task: str, layout: Mapping[str, Any]) -> Column:
    known = quantities()[name]
    text = layout.get("headings", {}).get(name, known.heading).format(heading(task)).strip()
    return Column(
        f"{task}.{name}" if task else name,
        text if task else text[:1].upper() + text[1:],
        layout.get("decimals", {}).get(name, known.decimals),
        signed=known.signed,
        tested=known.tested,
    )


@cache
def paper_table(number: int) -> TableSpec:
    """One of the Tables 2 to 6 as it was printed, a re-run's numbers beside its own."""
    rows = _printed_rows(f"table{number}.toml", "paper")
    if number == 2:
        again = {row.spec: row.quoted for row in _printed_rows("rerun2.toml", "rerun")}
        for row in rows:
            for key, quoted in again.get(row.spec, {}).items():
                row.quoted.setdefault(key, {}).update(quoted)
    return TableSpec(
        number=number,
        title=_title(number, CIFAR),
        labels=tuple(_read(f"table{number}.toml")["labels"]),
        columns=layout_columns(f"table{number}"),
        rows=tuple(rows),
        is_paper=True,
    )


def _printed_rows(file: str, origin: str) -> list[RowLayout]:
    """A row without `spec` is quoted only; joint searches are re-evaluated as the paper's are."""
    printed = _read(file)
    rows = []
    for row in printed["rows"]:
        spec = row.get("spec")
        if spec is not None:
            spec = RowSpec(**{"reevaluate": spec["joint"], **spec, "tasks": tuple(spec["tasks"])})
        cells = zip(printed["columns"], row["cells"], strict=True)
        quoted = {key: {origin: quote(text)} for key, text in cells if text}
        rows.append(RowLayout(tuple(row["labels"]), spec, quoted))
    return rows


def _title(number: int, tasks: Sequence[str]) -> str:
    title: str = _read("layouts.toml")[f"table{number}"]["title"]
    return title.format(" and ".join(map(heading, tasks)))


def own_table(
    number: int, tasks: tuple[str, str], probabilities: Iterable[float] | None = None
) -> TableSpec:
    """Table 5 or 6 for two data sets of one's own, nothing quoted; Table 6 for these rmp."""
    printed = paper_table(number)
    if probabilities is None:
        specs = [(row.labels, replace(row.spec, tasks=tasks)) for row in printed.rows if row.spec]
    else:
        specs = [((f"{rmp:g}",), _sweep_row(tasks, rmp)) for rmp in sorted(probabilities)]
    return TableSpec(
        number=number,
        title=_title(number, tasks),
        labels=printed.labels,
        columns=layout_columns(f"table{number}", tasks),
        rows=tuple(RowLayout(labels, spec) for labels, spec in specs),
    )


def own_combinations(tasks: tuple[str, ...], joint: Iterable[frozenset[str]]) -> TableSpec:
    """Table 2 for other data sets and those combinations that were searched for together."""
    together = [
        RowSpec(tuple(task for task in tasks if task in members), joint=True, reevaluate=True)
        for members in joint
    ]
    together.sort(key=lambda spec: (len(spec.tasks), [tasks.index(t) for t in spec.tasks]))
    alone = RowSpec(tasks, joint=False, reevaluate=False)
    rows = [RowLayout(("", "1", "Single-Tasking (Baseline)"), alone)]
    for index, spec in enumerate(together, start=1):
        rows.append(RowLayout((str(index), str(len(spec.tasks)), "EMT-NAS"), spec))
    return TableSpec(
        number=2,
        title=f"{', '.join(map(heading, tasks))}: test accuracy after retraining",
        labels=paper_table(2).labels,
        columns=layout_columns("combinations", tasks),
        rows=tuple(rows),
    )


def _sweep_row(tasks: tuple[str, ...], rmp: float) -> RowSpec:
    return RowSpec(tasks, joint=True, reevaluate=True, rmp=rmp)


def paper_settings(tasks: Collection[str], family: Family) -> dict[str, Any]:
    """What the paper says of searches for these tasks, by the settings' dotted names."""
    tables = _read("settings.toml")
    own = {}
    if set(tasks) & set(CIFAR):
        own = tables["cifar"]
    elif any(task in MEDICAL or _is_medical(task, family) for task in tasks):
        own = tables["medmnist"]
    return {**tables["common"], **own}


@cache
def open_choices() -> dict[str, dict[str, str]]:
    """What the paper leaves open, by the setting that decides it; `settings.toml` says how."""
    return dict(_read("settings.toml")["open"])


@cache
def paper_images(name: str) -> dict[str, Any]:
    """How images of a data set of the paper are loaded and augmented; of another one, nothing."""
    return dict(_read("settings.toml")["images"].get(name, {}))


# Which tables a family of experiments fills.


def specs_of(family: Family) -> list[TableSpec]:
    """The tables of which at least one row is among the family's experiments.

    Tables 5 and 6 need more than what Tables 2 and 3 have already: another ablation, another
    random mating probability.
    """
    kinds = set(family.experiments)
    found = []
    for tasks in connected(kinds):
        if set(tasks) <= set(CIFAR):
            found += [paper_table(3), paper_table(4)]
        elif not set(tasks) <= set(MEDICAL) and _compares(tasks, family):
            found.append(_combinations(tasks, kinds))
    if any(kind.tasks & set(MEDICAL) for kind in kinds):
        found.append(paper_table(2))
    for pair in _pairs(family):
        found += _comparisons(pair, kinds)
    found.sort(key=lambda spec: spec.number)
    unique = {(spec.number, spec.title): _with_random(spec, kinds) for spec in found}
    return [spec for spec in unique.values() if spec.kinds & kinds]


def own_spec(spec: TableSpec, family: Family) -> TableSpec:
    """Table 2, 5 or 6 without what was printed: for networks that are not the paper's."""
    kinds = set(family.experiments)
    if spec.number == 2:
        there = {task for kind in kinds & spec.kinds for task in kind.tasks}
        own = _combinations([task for task in MEDICAL if task in there], kinds)
    else:
        swept = _probabilities(CIFAR, kinds) if spec.number == 6 else None
        own = own_table(spec.number, CIFAR, swept)
    return _with_random(own, kinds)


def _with_random(spec: TableSpec, kinds: Collection[Kind]) -> TableSpec:
    """The same with a row of random search below every joint search that has such a twin.

    The paper has none: the rows are ours, and there where they were run.
    """
    rows: list[RowLayout] = []
    for row in spec.rows:
        rows.append(row)
        has_random = spec.layout.get("random_rows", False)
        if has_random and row.spec and row.spec.joint and row.spec.reevaluate:
            twin = replace(row.spec, reevaluate=False, random=True)
            if set(twin.kinds) & set(kinds):
                rows.append(RowLayout(tuple(map(_random_label, spec.labels, row.labels)), twin))
    return replace(spec, rows=tuple(rows))


def _random_label(name: str, label: str) -> str:
    """A word of a row of random search by that of the row above it."""
    own = {"Index": f"{label}r", "# Tasks": label, "Search Method": "random"}
    return own.get(name, f"Random search{'†' if '†' in label else ''} (ours)")


def _combinations(tasks: Sequence[str], kinds: Collection[Kind]) -> TableSpec:
    searched = (kind for kind in kinds if kind.reevaluate and kind.rmp == PAPER_RMP)
    return own_combinations(tuple(tasks), {k.tasks for k in searched if k.tasks <= set(tasks)})


def _comparisons(pair: tuple[str, str], kinds: Collection[Kind]) -> Iterator[TableSpec]:
    ablations = {Kind(frozenset({task}), reevaluate=True, rmp=None) for task in pair}
    ablations.add(Kind(frozenset(pair), reevaluate=False, rmp=PAPER_RMP))
    ablations.add(Kind(frozenset(pair), reevaluate=False, rmp=None, random=True))
    if ablations & set(kinds):
        yield paper_table(5) if pair == CIFAR else own_table(5, pair)
    found = _probabilities(pair, kinds)
    if found - {PAPER_RMP}:
        yield _with_probabilities(found) if pair == CIFAR else own_table(6, pair, found)


def _with_probabilities(found: Iterable[float]) -> TableSpec:
    """Table 6 with a row for each probability that the paper has not."""
    printed = paper_table(6)
    rows = {row.spec: row for row in printed.rows}
    for rmp in found:
        spec = _sweep_row(CIFAR, rmp)
        rows.setdefault(spec, RowLayout((f"{rmp:g}",), spec))
    return replace(printed, rows=tuple(sorted(rows.values(), key=lambda r: float(r.labels[0]))))


def _probabilities(tasks: Collection[str], kinds: Collection[Kind]) -> set[float]:
    return {k.rmp for k in kinds if k.tasks == set(tasks) and k.reevaluate and k.rmp is not None}


def _pairs(family: Family) -> list[tuple[str, str]]:
    """All pairs of data sets that were searched for together; those of the paper in its order."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for kind, experiment in family.experiments.items():
        if len(kind.tasks) == 2:
            first, second = experiment.tasks
            pairs.setdefault(kind.tasks, CIFAR if kind.tasks == set(CIFAR) else (first, second))
        elif kind.tasks & set(CIFAR) and len(kind.tasks) == 1:
            pairs.setdefault(frozenset(CIFAR), CIFAR)
    return [pairs[key] for key in sorted(pairs, key=sorted)]


def _compares(tasks: Sequence[str], family: Family) -> bool:
    """Whether a table of combinations says more than a list would."""
    kinds = [kind for kind in family.experiments if kind.tasks <= set(tasks)]
    joint = any(len(kind.tasks) > 1 for kind in kinds)
    alone = any(len(kind.tasks) == 1 for kind in kinds)
    return joint and (alone or all(_is_medical(task, family) for task in tasks))


def _is_medical(task: str, family: Family) -> bool:
    runs = (experiment.runs[0] for experiment in family.experiments.values())
    sources = (dict(zip(run.tasks, run.sources, strict=True)) for run in runs)
    return next((is_medical(task, each[task]) for each in sources if task in each), False)


def connected(kinds: Collection[Kind]) -> list[list[str]]:
    """Data sets that were searched for together, directly or by way of others."""
    groups: list[set[str]] = []
    for kind in kinds:
        touched = [group for group in groups if group & kind.tasks]
        groups = [group for group in groups if not group & kind.tasks]
        groups.append(set(kind.tasks).union(*touched))
    return sorted(sorted(group) for group in groups)
