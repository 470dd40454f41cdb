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
    if summary.get("diverged"):
        verdict = f"{name}: no test accuracy, since it diverged in {summary['diverged']}"
    return [step, Event(seed, "message", text=verdict)]


def _readings(summary: Mapping[str, Any]) -> str:
    epoch, loss = f"epoch {summary['epoch']}/{summary['n_epochs']}", summary["loss"]
    if loss is None:
        return f"{epoch}, loss diverged"
    return f"{epoch}, loss {loss:.3f}, training accuracy {format_percent(summary['accuracy'])}"
