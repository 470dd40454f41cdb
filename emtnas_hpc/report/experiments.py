"""From runs to experiments, and to families of experiments that differ in what tables compare."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.rows import Kind
from emtnas_hpc.report.runs import Run

#: What experiments of one family may differ in. Threads change last bits only; a task's own
#: settings and its data are compared where experiments share the task.
_FREE = ("seed", "tasks", "threads", "search.reevaluate", "search.rmp")
_FREE_SECTIONS = ("task.", "data.")


@dataclass(frozen=True, order=True)
class Recipe:
    """How architectures were retrained.

    Attributes:
        label: of the settings.
        origin: who proposed them.
        n_epochs: of it.
        channels: C of the retrained network.
    """

    label: str
    origin: str
    n_epochs: int
    channels: int

    @classmethod
    def of(cls, retraining: Retraining) -> "Recipe":
        """The recipe of a retraining."""
        header = retraining.header
        return cls(header.recipe, header.origin, header.n_epochs, header.shape.channels)


@dataclass(frozen=True)
class Experiment:
    """All seeds of one search.

    Attributes:
        name: of it.
        signature: the same for all its seeds, and for no other.
        runs: by seed.
    """

    name: str
    signature: str
    runs: tuple[Run, ...]

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs whose search has come to its end."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Its data sets, by skill factor."""
        return self.runs[0].tasks

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that its seeds share; empty if unknown."""
        return self.runs[0].settings

    @property
    def kind(self) -> Kind | None:
        """What it is within its family; None if its settings are unknown."""
        if not self.settings:
            return None
        rmp = self.settings["search.rmp"] if len(self.tasks) > 1 else None
        return Kind(frozenset(self.tasks), self.settings["search.reevaluate"], rmp)

    @property
    def recipes(self) -> frozenset[Recipe]:
        """All that its architectures were retrained with."""
        return frozenset(Recipe.of(r) for run in self.runs for r in run.retrainings)


@dataclass(frozen=True)
class Family:
    """Experiments with the same settings but for what tells the rows of a table apart.

    Attributes:
        settings: that they share, by dotted name.
        experiments: one for every kind: of several, the one with the most finished seeds.
        others: those that had to stand back.
    """

    settings: Mapping[str, Any]
    experiments: Mapping[Kind, Experiment]
    others: tuple[Experiment, ...] = ()

    def find(self, kinds: Iterable[Kind]) -> list[Experiment]:
        """The experiments of these kinds that there are."""
        return [self.experiments[kind] for kind in kinds if kind in self.experiments]


@dataclass(frozen=True)
class Grouping:
    """All experiments: families, and those whose settings are unknown."""

    families: tuple[Family, ...] = ()
    unknown: tuple[Experiment, ...] = field(default=())


def group(runs: Sequence[Run]) -> Grouping:
    """Groups runs that have a search; the families with the most seeds come first."""
    families: dict[str, list[Experiment]] = defaultdict(list)
    unknown = []
    for experiment in _experiments(runs):
        if experiment.kind is None:
            unknown.append(experiment)
        else:
            shared = _shared(experiment.settings)
            families[json.dumps(shared, sort_keys=True)].append(experiment)
    found = [_family(members) for _key, members in sorted(families.items())]
    found.sort(key=lambda family: -sum(len(e.runs) for e in family.experiments.values()))
    return Grouping(tuple(found), tuple(unknown))


def _experiments(runs: Sequence[Run]) -> list[Experiment]:
    seeds: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.search is not None:
            seeds[run.search.experiment_signature].append(run)
    return [_experiment(signature, members) for signature, members in sorted(seeds.items())]


def _experiment(signature: str, runs: list[Run]) -> Experiment:
    runs = sorted(runs, key=seed_of)
    assert runs[0].search is not None
    return Experiment(runs[0].search.name, signature, tuple(runs))


def seed_of(run: Run) -> int:
    """The seed of a run's search, or of its retrainings."""
    return run.search.seed if run.search is not None else run.retrainings[0].header.seed


def _family(members: Sequence[Experiment]) -> Family:
    kinds: dict[Kind, Experiment] = {}
    others = []
    for experiment in sorted(members, key=lambda e: (-len(e.finished), -len(e.runs), e.name)):
        kind = experiment.kind
        assert kind is not None
        if kind in kinds:
            others.append(experiment)
        kinds.setdefault(kind, experiment)
    return Family(_shared(members[0].settings), kinds, tuple(others))


def _shared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in settings.items()
        if name not in _FREE and not name.startswith(_FREE_SECTIONS)
    }
