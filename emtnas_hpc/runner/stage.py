"""What the runner must know about anything that takes long."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

S = TypeVar("S")

Interrupted = Callable[[], bool]


class Abandoned(Exception):
    """Raised by `Stage.advance` after `interrupted()` said True: the step will be repeated."""


class Stage(Protocol[S]):
    """A computation made of resumable steps over a state S.

    A step is a function of the state before it and of nothing else, so repeating it gives the same
    bits. `advance` may work in place; a state that it abandoned is not used again. No method but
    `save` and `load` does I/O, none reads a clock for a decision, none handles a signal.
    """

    @property
    def name(self) -> str:
        """Name of the stage's directory within the run."""

    @property
    def n_steps(self) -> int:
        """Number of steps until the stage is done."""

    def start(self) -> S:
        """The state before the first step."""

    def advance(self, state: S, interrupted: Interrupted) -> S:
        """Does one step.

        Args:
            state: after the step before.
            interrupted: to be asked between batches; True means: raise `Abandoned`.

        Raises:
            Abandoned: `interrupted()` said True.
        """

    def save(self, state: S, directory: Path) -> None:
        """Writes all of the state into an empty directory."""

    def load(self, directory: Path) -> S:
        """Reads the state that `save` wrote."""

    def summary(self, state: S) -> Mapping[str, object]:
        """A few plain values (JSON) about the last step, for the attempt's events and progress."""
