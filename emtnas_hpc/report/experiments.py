"""From runs to experiments, and to families of experiments that differ in what tables compare."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from emtnas_hpc.report.load import Run
from emtnas_hpc.report.search_arrays import Trace
from emtnas_hpc.report.table import list_seeds
from emtnas_hpc.retraining.record import Retraining

#: Of the paper's searches.
PAPER_RMP = 0.3


@dataclass(frozen=True)
class Kind:
    """What tells one experiment of a family from another.

    Attributes:
        tasks: data sets that are searched for together.
        reevaluate: whether fitness is re-evaluated.
        rmp: random mating probability; None where it does nothing: for a single task, and in a
            random search.
        random: whether it is a random search.
    """

    tasks: frozenset[str]
    reevaluate: bool
    rmp: float | None
    random: bool = False


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
        random: whether its searches are random ones.
    """

    tasks: tuple[str, ...]
    joint: bool
    reevaluate: bool
    rmp: float = PAPER_RMP
    n_normal: int = 2
    found_on: str | None = None
    random: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The experiments that fill the row: a joint one, or one a task."""
        if self.joint:
            rmp = None if self.random else self.rmp
            return (Kind(frozenset(self.tasks), self.reevaluate, rmp, self.random),)
        return tuple(Kind(frozenset({task}), self.reevaluate, None) for task in self.tasks)

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
        name += f" found-on={self.found_on}" if self.found_on else ""
        return f"{name} n{self.n_normal}"


#: What experiments of one family may differ in. Threads change last bits only; a task's own
#: settings and its data are compared where experiments share the task.
_FREE = ("seed", "tasks", "threads", "search.reevaluate", "search.rmp", "search.strategy")
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
    origin: str = field(compare=False)
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
        name: of it; of several, that its seeds were given, all.
        signature: the same for all its seeds, and for no other.
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
    def unfinished(self) -> tuple[int, ...]:
        """Seeds whose search has not come to its end; left out as soon as another one has."""
        return tuple(seed_of(run) for run in self.runs if not run.finished)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Its data sets, by skill factor."""
        return self.runs[0].tasks

    @property
    def own_tasks(self) -> tuple[str, ...]:
        """The same by their own names."""
        search = self.runs[0].search
        return () if search is None else tuple(result.task for result in search.tasks)

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
    """Experiments with the same settings but for what tells the rows of a table apart.

    Attributes:
        settings: that they share, by dotted name.
        experiments: one for every kind: of several, the one with the most finished seeds.
        others: those that had to stand back.
    """

    settings: Mapping[str, Any]
    experiments: Mapping[Kind, Experiment]
    others: tuple[Experiment, ...] = ()

    def find(self, kinds: Collection[Kind]) -> list[Experiment]:
        """The experiments of these kinds that there are."""
        return [experiment for kind, experiment in self.experiments.items() if kind in kinds]


def families_of(runs: Sequence[Run]) -> tuple[Family, ...]:
    """Families of the experiments whose settings are known; those with the most seeds first."""
    families: dict[str, list[Experiment]] = defaultdict(list)
    for experiment in experiments_of(runs):
        if experiment.kind is not None:
            shared = _shared(experiment.settings)
            families[json.dumps(shared, sort_keys=True)].append(experiment)
    found = [_family(members) for _key, members in sorted(families.items())]
    found.sort(key=lambda family: -sum(len(e.runs) for e in family.experiments.values()))
    return tuple(found)


def experiments_of(runs: Sequence[Run]) -> tuple[Experiment, ...]:
    """The experiments of all runs that have a search, by name.

    Seeds belong together if their signatures say so, whatever they were called.
    """
    seeds: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.search is not None:
            seeds[run.search.experiment_signature].append(run)
    found = sorted((_name(members), signature) for signature, members in seeds.items())
    names = Counter(name for name, _signature in found)
    titles = [
        f"{name} (settings {signature[:8]})" if names[name] > 1 else name
        for name, signature in found
    ]
    keys = Counter(map(_key, titles))
    return tuple(
        Experiment(
            name,
            signature,
            tuple(sorted(seeds[signature], key=seed_of)),
            title,
            _key(title) if keys[_key(title)] == 1 else f"{_key(title)}-{signature[:8]}",
        )
        for (name, signature), title in zip(found, titles, strict=True)
    )


def _name(runs: Sequence[Run]) -> str:
    return " / ".join(sorted({run.search.name for run in runs if run.search is not None}))


def _key(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", title).strip("-")


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


@dataclass(frozen=True)
class Searches:
    """What figures show of an experiment: searches that differ in nothing but their seed.

    Attributes:
        title: of the experiment.
        key: of it, a part of file names and addresses.
        traces: its searches, by seed: the finished ones, or all while none is finished.
        left_out: seeds that are not finished while others are.
        diverged: seeds whose training loss did: left out as well, unless all of them did.
    """

    title: str
    key: str
    traces: tuple[Trace, ...]
    left_out: tuple[int, ...]
    diverged: tuple[int, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment) -> "Searches":
        """The searches of an experiment."""
        diverged = tuple(seed_of(run) for run in experiment.averaged if run.diverged())
        runs = [run for run in experiment.averaged if not run.diverged()] or experiment.averaged
        traces = tuple(run.trace for run in runs if run.trace is not None)
        left_out = experiment.unfinished if experiment.finished else ()
        return cls(experiment.title, experiment.key, traces, left_out, diverged)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its traces."""
        return tuple(trace.header.seed for trace in self.traces)

    @property
    def seed_text(self) -> str:
        """Which, and how many: `seeds 0, 1 (n = 2)`."""
        return f"{list_seeds(self.seeds)} (n = {len(self.seeds)})"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the data sets, by skill factor."""
        return tuple(task.name for task in self.traces[0].header.tasks)

    @property
    def finished(self) -> bool:
        """Whether its searches have reached their last generation."""
        return all(trace.finished for trace in self.traces)

    @property
    def generation(self) -> int:
        """The newest generation that all of its searches have reached."""
        return min(trace.generation for trace in self.traces)
