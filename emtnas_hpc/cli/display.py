"""Progress on stderr: a live table on a terminal, plain lines elsewhere."""

import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from emtnas_hpc.cli.events import Event, Listener
from emtnas_hpc.cli.formats import format_duration, format_percent

#: Recent steps that the time left is estimated from.
_RECENT = 10


class TimeLeft:
    """Estimates the seconds to go from the median of recent steps."""

    def __init__(self) -> None:
        self._recent: dict[int, list[float]] = defaultdict(list)

    def after(self, event: Event) -> float:
        """The estimate after a step."""
        recent = self._recent[event.seed]
        recent.append(event.seconds)
        del recent[:-_RECENT]
        return statistics.median(recent) * (event.n_steps - event.step)


@contextmanager
def open_display(seeds: Sequence[int]) -> Iterator[Listener]:
    """A listener that shows what it hears on stderr."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield PlainDisplay()
        return
    columns = (
        TextColumn("seed {task.fields[seed]}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[tasks]}"),
        TextColumn("[dim]{task.fields[phase]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        yield LiveDisplay(progress, seeds)


class LiveDisplay:
    """A row a seed: bar, fitness and loss of each task, what it does now, time left."""

    def __init__(self, progress: Progress, seeds: Sequence[int]) -> None:
        self._progress = progress
        self._time_left = TimeLeft()
        self._rows: dict[int, TaskID] = {
            seed: progress.add_task("", total=None, seed=seed, tasks="", phase="", left="")
            for seed in seeds
        }

    def __call__(self, event: Event) -> None:
        """Shows an event."""
        row = self._rows[event.seed]
        if event.kind == "message":
            self._progress.console.print(f"seed {event.seed}: {event.text}", markup=False)
        elif event.kind == "phase":
            self._progress.update(row, phase=event.text)
        else:
            left = format_duration(self._time_left.after(event))
            self._progress.update(
                row,
                completed=event.step,
                total=event.n_steps,
                tasks=describe_tasks(event),
                left=f"{left} left" if event.step < event.n_steps else "done",
                phase="",
            )


class PlainDisplay:
    """A line a generation, for logs."""

    def __init__(self) -> None:
        self._time_left = TimeLeft()

    def __call__(self, event: Event) -> None:
        """Prints an event; phases are too many for a log."""
        if event.kind == "message":
            print(f"seed {event.seed}: {event.text}", file=sys.stderr, flush=True)
        elif event.kind == "step":
            left = format_duration(self._time_left.after(event))
            print(
                f"{time.strftime('%H:%M:%S')} seed {event.seed}: generation {event.step}/"
                f"{event.n_steps}  {describe_tasks(event)}  {event.seconds:.1f} s, {left} left",
                file=sys.stderr,
                flush=True,
            )


def describe_tasks(event: Event) -> str:
    """Fitness and loss of every task, in a line."""
    return " | ".join(
        f"{name} fitness {format_percent(values['fitness'])}{_true(values['true_fitness'])} "
        f"loss {values['loss']:.3f}"
        for name, values in event.tasks.items()
    )


def _true(true_fitness: float) -> str:
    return "" if math.isnan(true_fitness) else f" true {format_percent(true_fitness)}"
