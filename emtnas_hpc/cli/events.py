"""What a running seed tells its display, in this process or through a pipe as lines of JSON."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypedDict, cast

from emtnas_hpc.cli.console import format_percent
from emtnas_hpc.runner.context import Callbacks, Progress, log_to

Kind = Literal["phase", "step", "message", "end"]


class TaskProgress(TypedDict):
    """How a task's fittest stands after a generation; None is not measured, or not a number."""

    fitness: float | None
    true_fitness: float | None
    loss: float | None


@dataclass(frozen=True, order=True)
class Who:
    """One seed among all that this command continues.

    Attributes:
        experiment: its name; empty where there is only one.
    """

    seed: int
    experiment: str = ""

    def __str__(self) -> str:
        """As it stands before a line of progress."""
        return f"{self.experiment} seed {self.seed}".lstrip()


@dataclass(frozen=True)
class SeedEvent:
    """One thing that happened to one seed.

    Attributes:
        kind: `phase` began, `step` ended, a `message` for the user, or the `end` of its run here.
        step: generations, or steps of a retraining, that are done.
        n_steps: how many there are in all.
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
        """The seed among all that this command continues."""
        return Who(self.seed, self.experiment)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "SeedEvent":
        """The event of a line that `to_json` made."""
        values: dict[str, Any] = json.loads(line)
        return cls(**values)


Listener = Callable[[SeedEvent], None]


def of_experiment(name: str, listener: Listener) -> Listener:
    """A listener for the events of one experiment, which do not say that they are its."""
    return lambda event: listener(replace(event, experiment=name))


def retraining_events(seed: int, progress: Progress) -> list[SeedEvent]:
    """The step that has ended and, after the last one, the result on the test set."""
    summary: Mapping[str, Any] = progress.readings
    name = summary["retraining"]
    step = SeedEvent(
        seed,
        "step",
        step=progress.step,
        n_steps=progress.n_steps,
        seconds=progress.seconds,
        text=_readings(summary),
        retraining=name,
    )
    if summary["test_accuracy"] is None:
        return [step]
    result = f"{name}: test accuracy {format_percent(summary['test_accuracy'])}"
    if summary.get("diverged"):
        result = f"{name}: no test accuracy, since it diverged in {summary['diverged']}"
    return [step, SeedEvent(seed, "message", text=result)]


def _readings(summary: Mapping[str, Any]) -> str:
    epoch, loss = f"epoch {summary['epoch']}/{summary['n_epochs']}", summary["loss"]
    if loss is None:
        return f"{epoch}, loss diverged"
    return f"{epoch}, loss {loss:.3f}, training accuracy {format_percent(summary['accuracy'])}"


def log_to_listener(seed: int, listener: Listener) -> AbstractContextManager[None]:
    """Within the block whatever is logged is a message of this seed."""
    return log_to(lambda line: listener(SeedEvent(seed, "message", text=line)))


def callbacks_of(seed: int, listener: Listener) -> Callbacks:
    """Turns what a run tells into events of its seed."""

    def on_progress(progress: Progress) -> None:
        if "retraining" in progress.readings:
            for event in retraining_events(seed, progress):
                listener(event)
            return
        tasks = cast(dict[str, TaskProgress], progress.readings["tasks"])
        listener(
            SeedEvent(
                seed,
                "step",
                step=progress.step,
                n_steps=progress.n_steps,
                seconds=progress.seconds,
                tasks=tasks,
            )
        )

    return Callbacks(
        on_progress,
        lambda phase, task: listener(SeedEvent(seed, "phase", text=f"{phase} {task}".strip())),
    )
