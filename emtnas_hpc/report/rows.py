"""What a row of a table asks for: which searches, and what is done with what they found."""

from dataclasses import dataclass

#: Of the paper's searches.
PAPER_RMP = 0.3


@dataclass(frozen=True)
class Kind:
    """What tells one experiment of a family from another.

    Attributes:
        tasks: data sets that are searched for together.
        reevaluate: whether fitness is re-evaluated.
        rmp: random mating probability; None for a single task, where it does nothing.
    """

    tasks: frozenset[str]
    reevaluate: bool
    rmp: float | None


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
    """

    tasks: tuple[str, ...]
    joint: bool
    reevaluate: bool
    rmp: float = PAPER_RMP
    n_normal: int = 2
    found_on: str | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The experiments that fill the row: a joint one, or one a task."""
        if self.joint:
            return (Kind(frozenset(self.tasks), self.reevaluate, self.rmp),)
        return tuple(Kind(frozenset({task}), self.reevaluate, None) for task in self.tasks)

    @property
    def baseline(self) -> "RowSpec":
        """Single-tasking without re-evaluation on the same tasks, stacked as often."""
        return RowSpec(
            self.tasks,
            joint=False,
            reevaluate=False,
            n_normal=self.n_normal,
            found_on=self.found_on,
        )

    @property
    def is_baseline(self) -> bool:
        """Whether it is its own baseline."""
        return not self.joint and not self.reevaluate

    @property
    def key(self) -> str:
        """A name for it in files that programs read."""
        name = "+".join(self.tasks) + (" joint" if self.joint else " single")
        name += f" rmp={self.rmp:g}" if self.joint else ""
        name += " reevaluated" if self.reevaluate else ""
        name += f" found-on={self.found_on}" if self.found_on else ""
        return f"{name} n{self.n_normal}"
