"""Which tables a family of experiments can fill."""

from collections.abc import Collection, Iterator, Sequence

from emtnas_hpc.report.data_sets import is_medical
from emtnas_hpc.report.experiments import Experiment, Family
from emtnas_hpc.report.layouts.ablation import ablation, sweep
from emtnas_hpc.report.layouts.cifar import CIFAR, cifar, imagenet
from emtnas_hpc.report.layouts.combinations import PAPER_TASKS, combinations, paper_combinations
from emtnas_hpc.report.layouts.layout import Layout
from emtnas_hpc.report.rows import PAPER_RMP, Kind


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
