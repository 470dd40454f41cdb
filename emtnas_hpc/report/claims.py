"""The paper's claims: which arms are compared to answer each of them.

To add a claim, add it to `CLAIMS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import Kind, Recipe
from emtnas_hpc.report.specs import PAPER_RMP
from emtnas_hpc.report.table import TableCell


@dataclass(frozen=True)
class Arm:
    """One side of a contrast: the networks of an experiment for one data set, or a search time.

    A time has neither experiment nor networks; that of single-tasking is a sum over all tasks.

    Attributes:
        searched: the experiment's data sets by skill factor.
        cell: the values by seed.
        experiment: its signature.
    """

    kind: Kind
    searched: tuple[str, ...]
    cell: TableCell
    experiment: str = ""
    recipe: Recipe | None = None
    task: str = ""
    found_on: str = ""
    n_normal: int = 0

    @property
    def rmp(self) -> float | None:
        """Of a joint search; None for a single task and a random search."""
        return self.kind.rmp

    @property
    def traits(self) -> dict[str, Any]:
        """All that a claim may be about, by name."""
        return {**vars(self.kind), "found_on": self.found_on, "n_normal": self.n_normal}

    @property
    def place(self) -> tuple[Any, ...]:
        """Few tasks before many; data sets of one experiment and depth beside each other."""
        data_set = (*self.searched, self.task).index(self.task), self.task, self.found_on
        return len(self.searched), self.searched, self.method, self.rmp, self.n_normal, data_set

    @property
    def method(self) -> str:
        """As Table 5 calls it, but shorter."""
        if self.kind.random:
            return "Random"
        name = "Single" if self.rmp is None else "Multi"
        return f"{name}+Reeval" if self.kind.reevaluate else name

    def name_beside(self, other: "Arm") -> str:
        """Its method, with what tells it from the other one."""
        words = [self.method]
        if self.rmp is not None and (self.rmp != PAPER_RMP or other.rmp not in (None, self.rmp)):
            words.append(f"RMP {self.rmp:g}")
        if self.n_normal != other.n_normal:
            words.append(f"N = {self.n_normal}")
        if None not in (self.rmp, other.rmp) and self.kind.tasks != other.kind.tasks:
            words.append("+".join(map(heading, self.searched)))
        if self.found_on != self.task:
            words.append(f"found on {heading(self.found_on)}")
        return " ".join(words)


@dataclass(frozen=True)
class Claim:
    """One question; all contrasts that answer it are one family of tests.

    Attributes:
        key: its name in files that programs read.
        title: what is subtracted from what.
        traits: that the two arms may differ in.
        holds: whether a first arm minus a second one, otherwise alike, answers it.
        of_time: whether it is about times.
        of_own: whether the first networks must have been found on their own data set.
    """

    key: str
    title: str
    traits: tuple[str, ...]
    holds: Callable[[Arm, Arm], bool]
    of_time: bool = False
    of_own: bool = True

    def pairs(self, arms: Sequence[Arm]) -> Iterator[tuple[Arm, Arm]]:
        """All arms of which a first minus a second answers it."""
        for a, b in product(arms, arms):
            is_asked = a.task == b.task and self.of_time != bool(a.task)
            is_own = a.found_on == a.task or not self.of_own
            alike = (b.traits[n] == value or n in self.traits for n, value in a.traits.items())
            if is_asked and is_own and self.holds(a, b) and all(alike):
                yield a, b


def _is_multi_minus_single(a: Arm, b: Arm) -> bool:
    """With re-evaluation in both, in neither, or in multi-tasking only."""
    return (a.rmp, b.rmp) == (PAPER_RMP, None) and a.kind.reevaluate >= b.kind.reevaluate


_SHARE = "this also changes an individual's share of the training steps"
CLAIMS = (
    Claim(
        "transfer",
        "RMP 0.3 minus RMP 0 in one population (primary)",
        ("rmp",),
        lambda a, b: (a.rmp, b.rmp) == (PAPER_RMP, 0),
    ),
    Claim(
        "other RMPs",
        "each minus RMP 0",
        ("rmp",),
        lambda a, b: a.rmp not in (0, PAPER_RMP) and b.rmp == 0,
    ),
    Claim(
        "multi-tasking",
        f"minus single-tasking, re-evaluation in both or neither; {_SHARE}",
        ("tasks", "rmp"),
        _is_multi_minus_single,
    ),
    Claim(
        "whole method",
        "multi-tasking with re-evaluation minus single-tasking without, as in the paper's Tables 2 "
        f"and 3; {_SHARE}",
        ("tasks", "rmp", "reevaluate"),
        lambda a, b: _is_multi_minus_single(a, b) and a.kind.reevaluate != b.kind.reevaluate,
    ),
    Claim(
        "re-evaluation",
        "with fitness re-evaluation minus without",
        ("reevaluate",),
        lambda a, b: a.kind.reevaluate > b.kind.reevaluate and a.rmp in (PAPER_RMP, None),
    ),
    Claim(
        "number of tasks",
        "together with one task more, minus without that",
        ("tasks",),
        lambda a, b: (
            a.kind.tasks > b.kind.tasks
            and len(a.kind.tasks - b.kind.tasks) == 1
            and a.rmp == PAPER_RMP
        ),
    ),
    Claim(
        "search",
        "evolution minus random search at equal cost",
        ("random", "rmp", "reevaluate"),
        lambda a, b: b.kind.random > a.kind.random and a.rmp in (PAPER_RMP, None),
    ),
    Claim(
        "transfer learning",
        "multi-tasking minus the network that single-tasking found on another of its data sets",
        ("tasks", "rmp", "reevaluate", "found_on"),
        lambda a, b: _is_multi_minus_single(a, b) and b.found_on in a.kind.tasks - {a.task},
    ),
    Claim(
        "depth",
        "more normal cells minus fewer, of what the same searches found",
        ("n_normal",),
        lambda a, b: a.n_normal > b.n_normal,
    ),
    Claim(
        "time",
        "of multi-tasking searches against the sum of the single-tasking ones",
        ("rmp", "reevaluate"),
        _is_multi_minus_single,
        of_time=True,
    ),
)
