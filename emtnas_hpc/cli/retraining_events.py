"""What a retraining tells its display."""

from collections.abc import Mapping
from typing import Any

from emtnas_hpc.cli.events import Event
from emtnas_hpc.cli.formats import format_percent
from emtnas_hpc.runner.loop import Progress


def retraining_events(seed: int, progress: Progress) -> list[Event]:
    """The step that has ended and, after the last one, the test set's verdict."""
    summary: Mapping[str, Any] = progress.summary
    name = summary["retraining"]
    step = Event(
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
    verdict = f"{name}: test accuracy {format_percent(summary['test_accuracy'])}"
    return [step, Event(seed, "message", text=verdict)]


def _readings(summary: Mapping[str, Any]) -> str:
    loss = summary["loss"]
    return (
        f"epoch {summary['epoch']}/{summary['n_epochs']}, "
        f"loss {'diverged' if loss is None else f'{loss:.3f}'}, "
        f"training accuracy {format_percent(summary['accuracy'])}"
    )
