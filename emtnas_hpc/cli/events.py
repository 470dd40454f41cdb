"""What a running seed tells its display, in this process or through a pipe as lines of JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypedDict

Kind = Literal["phase", "step", "message", "end"]


class TaskProgress(TypedDict):
    """How a task's fittest stands after a generation; None is not measured, or not a number."""

    fitness: float | None
    true_fitness: float | None
    loss: float | None


@dataclass(frozen=True, order=True)
class Who:
    """One seed among all that are carried on.

    Attributes:
        seed: which.
        experiment: its name; empty where there is only one.
    """

    seed: int
    experiment: str = ""

    def __str__(self) -> str:
        """As it stands before a line of progress."""
        return f"{self.experiment} seed {self.seed}".lstrip()


@dataclass(frozen=True)
class Event:
    """One thing that happened to one seed.

    Attributes:
        seed: whose.
        kind: `phase` began, `step` ended, a `message` for the user, or the `end` of its run here.
        step: generations, or steps of a retraining, that are done.
        n_steps: how many there are in all.
        seconds: that the step took.
        text: the message, or the phase with its task, or the readings of a retraining.
        retraining: the name of the one that the step belongs to; empty for the search.
        tasks: by name the fitness and true fitness of the fittest, and the training loss.
        experiment: whose seed; empty where there is only one.
    """

    seed: int
    kind: Kind
    step: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    text: str = ""
    retraining: str = ""
    tasks: Mapping[str, TaskProgress] = field(default_factory=dict)
    experiment: str = ""

    @property
    def who(self) -> Who:
        """The seed among all that are carried on."""
        return Who(self.seed, self.experiment)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Event":
        """The event of a line that `to_json` made."""
        values: dict[str, Any] = json.loads(line)
        return cls(**values)


Listener = Callable[[Event], None]


def of_experiment(name: str, listener: Listener) -> Listener:
    """A listener for the events of one experiment, which do not say that they are its."""
    return lambda event: listener(replace(event, experiment=name))
