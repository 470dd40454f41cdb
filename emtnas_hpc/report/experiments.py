"""From runs to experiments, and to families of experiments that differ in what tables compare."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emtnas_hpc.report.load import Run, SeedResult
from emtnas_hpc.report.table import list_seeds
from emtnas_hpc.retraining.record import Retraining

#: What experiments of one family may differ in. Threads change last bits only; a task's own
#: settings and its data are compared where experiments share the task.
_FREE = ("seed", "tasks", "threads", "search.reevaluate", "search.rmp", "search.strategy")
_FREE_SECTIONS = ("task.", "data.")


@dataclass(frozen=True)
class Kind:
    """What tells one experiment of a family from another.

    Attributes:
        tasks: data sets that are searched for together.
        reevaluate: whether fitness is re-evaluated.
        rmp: random mating probability; None where it does nothing: for a single task, and in a
            random search.
        random: whether it is a random search.
        setting: in a sweep, the setting that it is about, with its value.
    """

    tasks: frozenset[str]
    reevaluate: bool
    rmp: float | None
    random: bool = False
    setting: str = ""


@dataclass(frozen=True, order=True)
class Recipe:
    """How architectures were retrained: `label` names the settings, `origin` who proposed them."""

    label: str
    origin: str = field(compare=False)
    n_epochs: int
    channels: int

    @classmethod
    def of(cls, retraining: Retraining) -> "Recipe":
        """The recipe of a retraining."""
        header = retraining.header
        return cls(header.recipe, header.origin, header.n_epochs, header.shape.channels)


@dataclass(frozen=True)
class ExperimentRuns:
    """All seeds of one search, which share a signature.

    Attributes:
        name: of several, that its seeds were given, all.
        runs: by seed, each with a search.
        title: its name; with a part of its signature where another one is called so too.
        key: the title as a part of file names and addresses; no other experiment's.
    """

    name: str
    signature: str
    runs: tuple[Run, ...]
    title: str = ""
    key: str = ""

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs whose search has come to its end."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def averaged(self) -> tuple[Run, ...]:
        """The finished runs; all of them while none is finished."""
        return self.finished or self.runs

    @property
    def results(self) -> tuple[SeedResult, ...]:
        """What the averaged runs found."""
        return tuple(run.search for run in self.averaged if run.search is not None)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """Seeds whose search has not come to its end; left out as soon as another one has."""
        return tuple(run.seed for run in self.runs if not run.finished)

    @property
    def diverged(self) -> tuple[int, ...]:
        """Averaged seeds whose training loss diverged."""
        return tuple(run.seed for run in self.averaged if run.diverged())

    @property
    def drawn(self) -> tuple[SeedResult, ...]:
        """What figures show: the averaged runs without those that diverged, unless all did."""
        good = tuple(r for r in self.results if r.header.seed not in self.diverged)
        return good or self.results

    @property
    def drawn_seeds(self) -> str:
        """Which seeds figures show, and how many: `seeds 0, 1 (n = 2)`."""
        return f"{list_seeds(r.header.seed for r in self.drawn)} (n = {len(self.drawn)})"

    @property
    def drawn_until(self) -> int | None:
        """The newest generation that all of them have reached; None at the end of the search."""
        newest = min(result.generation for result in self.drawn)
        return newest if newest < self.drawn[0].header.n_generations else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Its data sets, by skill factor."""
        return self.runs[0].tasks

    @property
    def own_tasks(self) -> tuple[str, ...]:
        """The same by their own names."""
        return self.runs[0].own_tasks

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that its seeds share; empty if unknown."""
        return self.runs[0].settings

    @property
    def kind(self) -> Kind | None:
        """What it is within its family; None if its settings are unknown."""
        if not self.settings:
            return None
        random = self.settings.get("search.strategy") == "random"
        rmp = self.settings["search.rmp"] if len(self.tasks) > 1 and not random else None
        return Kind(frozenset(self.tasks), self.settings["search.reevaluate"], rmp, random)


@dataclass(frozen=True)
class Family:
    """Experiments that share all settings but what tells the rows of a table apart.

    Of several of one kind `experiments` has that with the most finished seeds, `others` the rest.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    experiments: Mapping[Kind, ExperimentRuns] = field(default_factory=dict)
    others: tuple[ExperimentRuns, ...] = ()

    def find(self, kinds: Collection[Kind]) -> list[ExperimentRuns]:
        """The experiments of these kinds that there are."""
        return [experiment for kind, experiment in self.experiments.items() if kind in kinds]


def families_of(runs: Sequence[Run]) -> tuple[Family, ...]:
    """Families of the experiments whose settings are known; those with the most seeds first."""
    members: dict[str, dict[Kind, ExperimentRuns]] = defaultdict(dict)
    others: dict[str, list[ExperimentRuns]] = defaultdict(list)
    shared: dict[str, dict[str, Any]] = {}
    by_seeds = sorted(experiments_of(runs), key=lambda e: (-len(e.finished), -len(e.runs), e.name))
    for experiment in by_seeds:
        if experiment.kind is None:
            continue
        settings = _shared(experiment.settings)
        key = json.dumps(settings, sort_keys=True)
        shared[key] = settings
        if members[key].setdefault(experiment.kind, experiment) is not experiment:
            others[key].append(experiment)
    found = [Family(shared[key], members[key], tuple(others[key])) for key in sorted(members)]
    found.sort(key=lambda family: -sum(len(e.runs) for e in family.experiments.values()))
    return tuple(found)


def _shared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in settings.items()
        if name not in _FREE and not name.startswith(_FREE_SECTIONS)
    }


def experiments_of(runs: Sequence[Run]) -> tuple[ExperimentRuns, ...]:
    """The experiments of all runs that have a search, by name.

    Seeds belong together if their signatures say so, whatever they were called.
    """
    seeds: dict[str, list[Run]] = defaultdict(list)
    called: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.search is not None:
            header = run.search.header
            seeds[header.experiment_signature].append(run)
            called[header.experiment_signature].add(header.name)
    found = sorted((" / ".join(sorted(names)), signature) for signature, names in called.items())
    n_called = Counter(name for name, _signature in found)
    titles = [
        f"{name} (settings {signature[:8]})" if n_called[name] > 1 else name
        for name, signature in found
    ]
    keys = [re.sub(r"[^A-Za-z0-9_-]+", "-", title).strip("-") for title in titles]
    return tuple(
        ExperimentRuns(
            name,
            signature,
            tuple(sorted(seeds[signature], key=lambda run: run.seed)),
            title=title,
            key=key if keys.count(key) == 1 else f"{key}-{signature[:8]}",
        )
        for (name, signature), title, key in zip(found, titles, keys, strict=True)
    )
