"""Which tables a family of experiments fills, and with which rows."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from emtnas_hpc.report.experiments import PAPER_RMP, Family, Kind, RowSpec
from emtnas_hpc.report.load import heading, is_medical
from emtnas_hpc.report.paper import (
    CIFAR,
    MEDICAL,
    TableRow,
    TableSpec,
    like_paper,
    make_column,
    paper_table,
    sweep_row,
)

#: Tables in which a random search has a row: neither ImageNet nor the sweep.
_WITH_RANDOM = (2, 3, 5)


def specs_of(family: Family) -> list[TableSpec]:
    """The tables of which at least one row is among the family's experiments.

    Tables 5 and 6 need more than what Tables 2 and 3 have already: another ablation, another
    random mating probability.
    """
    kinds = set(family.experiments)
    found = []
    for tasks in _connected(kinds):
        if set(tasks) <= set(CIFAR):
            found += [paper_table(3), paper_table(4)]
        elif not set(tasks) <= set(MEDICAL) and _compares(tasks, family):
            found.append(_combinations(tasks, kinds))
    if any(kind.tasks & set(MEDICAL) for kind in kinds):
        found.append(paper_table(2))
    for pair in _pairs(family):
        found += _comparisons(pair, kinds)
    found.sort(key=lambda spec: spec.number)
    unique = {(spec.number, spec.title): with_random(spec, kinds) for spec in found}
    return [spec for spec in unique.values() if spec.kinds & kinds]


def own_spec(spec: TableSpec, family: Family) -> TableSpec:
    """The same without what was printed: for networks that are not the paper's."""
    kinds = set(family.experiments)
    if spec.number == 2:
        there = {task for kind in kinds & spec.kinds for task in kind.tasks}
        return with_random(_combinations([task for task in MEDICAL if task in there], kinds), kinds)
    if spec.number == 5:
        return with_random(like_paper(5, CIFAR), kinds)
    return like_paper(6, CIFAR, _probabilities(CIFAR, kinds))


def with_random(spec: TableSpec, kinds: Collection[Kind]) -> TableSpec:
    """A table with a row of random search below every joint search that has such a twin.

    The paper has none: the rows are ours, and there where they were run.
    """
    rows: list[TableRow] = []
    for row in spec.rows:
        rows.append(row)
        if spec.number in _WITH_RANDOM and row.spec and row.spec.joint and row.spec.reevaluate:
            twin = replace(row.spec, reevaluate=False, random=True)
            if set(twin.kinds) & set(kinds):
                rows.append(TableRow(tuple(map(_random_label, spec.labels, row.labels)), twin))
    return replace(spec, rows=tuple(rows))


def _random_label(name: str, label: str) -> str:
    """A word of a row of random search by that of the row above it."""
    own = {"Index": f"{label}r", "# Tasks": label, "Search Method": "random"}
    return own.get(name, f"Random search{'†' if '†' in label else ''} (ours)")


def combinations(tasks: tuple[str, ...], joint: Iterable[frozenset[str]]) -> TableSpec:
    """Table 2 for other data sets and those combinations that were searched for together."""
    together = [
        RowSpec(tuple(task for task in tasks if task in members), joint=True, reevaluate=True)
        for members in joint
    ]
    together.sort(key=lambda spec: (len(spec.tasks), [tasks.index(t) for t in spec.tasks]))
    alone = RowSpec(tasks, joint=False, reevaluate=False)
    rows = [TableRow(("", "1", "Single-Tasking (Baseline)"), alone)]
    for index, spec in enumerate(together, start=1):
        rows.append(TableRow((str(index), str(len(spec.tasks)), "EMT-NAS"), spec))
    keys = [f"{task}.{quantity}" for task in tasks for quantity in ("accuracy", "auc")]
    title = f"{', '.join(map(heading, tasks))}: test accuracy after retraining"
    columns = tuple(map(make_column, (*keys, "time_total")))
    return TableSpec(2, title, paper_table(2).labels, columns, tuple(rows))


def _combinations(tasks: Sequence[str], kinds: Collection[Kind]) -> TableSpec:
    joint = {
        kind.tasks
        for kind in kinds
        if kind.reevaluate and kind.rmp == PAPER_RMP and kind.tasks <= set(tasks)
    }
    return combinations(tuple(tasks), joint)


def _comparisons(pair: tuple[str, str], kinds: Collection[Kind]) -> Iterator[TableSpec]:
    ablations = {Kind(frozenset({task}), reevaluate=True, rmp=None) for task in pair}
    ablations.add(Kind(frozenset(pair), reevaluate=False, rmp=PAPER_RMP))
    ablations.add(Kind(frozenset(pair), reevaluate=False, rmp=None, random=True))
    is_paper = pair == CIFAR
    if ablations & set(kinds):
        yield paper_table(5) if is_paper else like_paper(5, pair)
    found = _probabilities(pair, kinds)
    if found - {PAPER_RMP}:
        yield _with_probabilities(found) if is_paper else like_paper(6, pair, found)


def _with_probabilities(found: Iterable[float]) -> TableSpec:
    """Table 6 with a row for each probability that the paper has not."""
    printed = paper_table(6)
    rows = {row.spec: row for row in printed.rows}
    for rmp in found:
        rows.setdefault(sweep_row(CIFAR, rmp), TableRow((f"{rmp:g}",), sweep_row(CIFAR, rmp)))
    ordered = sorted(rows.values(), key=lambda row: float(row.labels[0]))
    return replace(printed, rows=tuple(ordered))


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
    for experiment in family.experiments.values():
        if task in experiment.tasks:
            return is_medical(task, experiment.runs[0].sources[experiment.tasks.index(task)])
    return False


def _connected(kinds: Collection[Kind]) -> list[list[str]]:
    """Data sets that were searched for together, directly or by way of others."""
    groups: list[set[str]] = []
    for kind in kinds:
        touched = [group for group in groups if group & kind.tasks]
        groups = [group for group in groups if not group & kind.tasks]
        groups.append(set(kind.tasks).union(*touched))
    return sorted(sorted(group) for group in groups)
