"""What a running seed tells its display, in this process or through a pipe as lines of JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypedDict

Kind = Literal["phase", "step", "message"]


class TaskProgress(TypedDict):
    """How a task's fittest stands after a generation; None is not measured, or not a number."""

    fitness: float | None
    true_fitness: float | None
    loss: float | None


@dataclass(frozen=True)
class Event:
    """One thing that happened to one seed.

    Attributes:
        seed: whose.
        kind: `phase` began, `step` ended, or a `message` for the user.
        step: generations, or steps of a retraining, that are done.
        n_steps: how many there are in all.
        seconds: that the step took.
        text: the message, or the phase with its task, or the readings of a retraining.
        retraining: the name of the one that the step belongs to; empty for the search.
        tasks: by name the fitness and true fitness of the fittest, and the training loss.
    """

    seed: int
    kind: Kind
    step: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    text: str = ""
    retraining: str = ""
    tasks: Mapping[str, TaskProgress] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Event":
        """The event of a line that `to_json` made."""
        values: dict[str, Any] = json.loads(line)
        return cls(**values)


Listener = Callable[[Event], None]
