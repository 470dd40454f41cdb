"""What a job prints: its log, a line each, with the time."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from emtnas_hpc.runner.loop import Progress
from emtnas_hpc.search.session import Listeners

_STDOUT = 1


def say(message: str) -> None:
    """Prints a line; a signal handler may do so in the middle of another one."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(message.split())}\n"
    with suppress(OSError):
        os.write(_STDOUT, line.encode())


def log_listeners() -> Listeners:
    """Print a line a step, and what the user should know."""
    return Listeners(_say_progress, lambda _phase, _task: None, say)


def _say_progress(progress: Progress) -> None:
    what, news = _news(progress.summary)
    say(f"{what} {progress.step}/{progress.n_steps}, {progress.seconds:.1f} s: {news}")


def _news(summary: Mapping[str, Any]) -> tuple[str, str]:
    """What the steps are called, and what is new after one."""
    if "retraining" in summary:
        accuracy = _percent({"accuracy": summary["accuracy"], "test": summary["test_accuracy"]})
        news = "diverged" if summary.get("diverged") else accuracy
        return f"{summary['retraining']}: epoch {summary['epoch']}, step", news
    tasks: Mapping[str, Any] = summary["tasks"]
    each = (f"{name} {_fitness(task)}" for name, task in tasks.items())
    return "generation", "; ".join(each)


def _fitness(task: Mapping[str, Any]) -> str:
    if task["loss"] is None:
        return "diverged"
    return _percent({"fitness": task["fitness"], "true": task["true_fitness"]})


def _percent(values: Mapping[str, float | None]) -> str:
    """Nothing is said of what was not measured, or is no number."""
    known = (f"{name} {100 * value:.2f}" for name, value in values.items() if value is not None)
    return ", ".join(known)
