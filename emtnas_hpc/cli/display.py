"""Progress on stderr: live bars on a terminal, plain lines elsewhere."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from emtnas_hpc.cli.console import format_duration, format_percent, print_line
from emtnas_hpc.cli.events import Listener, SeedEvent, TaskProgress, Who

#: So many seeds have a line from the start; of more, only those that are under way.
_MOST_LINES = 12

#: Recent steps that the time left is estimated from.
_RECENT = 10


class TimeLeft:
    """Estimates the seconds to go from the median of recent steps."""

    def __init__(self) -> None:
        self._recent: dict[tuple[Who, str], list[float]] = defaultdict(list)

    def after(self, event: SeedEvent) -> str:
        """The estimate after a step, in words."""
        if event.step == event.n_steps:
            return "done"
        recent = self._recent[event.who, event.retraining]
        recent.append(event.seconds)
        del recent[:-_RECENT]
        left = statistics.median(recent) * (event.n_steps - event.step)
        return f"{format_duration(left)} left"


@contextmanager
def open_display(n_steps: Mapping[Who, int]) -> Iterator[Listener]:
    """A listener that shows on stderr what it hears of seeds with so many steps each."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield PlainDisplay()
        return
    with SeedBars(console) as bars:
        yield LiveDisplay(bars, n_steps)


class SeedBars(Progress):
    """A line a seed with its bar, and below it a line for each of its tasks."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.fields[who]}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[phase]}"),
            console=console,
            refresh_per_second=4,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is shown, line by line."""
        for task in (task for task in self.tasks if task.visible):
            yield self.make_tasks_table([task])
            for line in task.fields["tasks"]:
                yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")


class LiveDisplay:
    """For every seed: bar, time left, what it does now; fitness and loss of each task."""

    def __init__(self, bars: SeedBars, n_steps: Mapping[Who, int]) -> None:
        self._bars = bars
        self._time_left = TimeLeft()
        self._all_fit = len(n_steps) <= _MOST_LINES
        self._rows: dict[Who, TaskID] = {
            who: bars.add_task(
                "", total=n, visible=self._all_fit, who=who, tasks=(), phase="", left=""
            )
            for who, n in n_steps.items()
        }

    def __call__(self, event: SeedEvent) -> None:
        """Shows an event."""
        row = self._rows[event.who]
        if not self._all_fit:
            self._bars.update(row, visible=event.kind != "end")
        if event.kind == "message":
            self._bars.console.print(f"{event.who}: {event.text}", markup=False)
            self._bars.update(row, phase="")
        elif event.kind == "phase":
            self._bars.update(row, phase=event.text)
        elif event.kind == "step":
            left = self._time_left.after(event)
            self._bars.update(
                row,
                completed=event.step,
                total=event.n_steps,
                tasks=describe_step(event),
                left=left,
                phase="",
            )


class PlainDisplay:
    """A line a generation or step, for logs."""

    def __init__(self) -> None:
        self._time_left = TimeLeft()

    def __call__(self, event: SeedEvent) -> None:
        """Prints an event; phases are too many for a log."""
        if event.kind == "message":
            print_line(f"{event.who}: {event.text}")
        elif event.kind == "step":
            step = f"{'step' if event.retraining else 'generation'} {event.step}/{event.n_steps}"
            print_line(
                f"{time.strftime('%H:%M:%S')} {event.who}: {step}, {event.seconds:.1f} s, "
                f"{self._time_left.after(event)}: {' | '.join(describe_step(event))}"
            )


def describe_step(event: SeedEvent) -> tuple[str, ...]:
    """A line for every task: fitness and true fitness of the fittest, training loss.

    Of a retraining, one line with its name and its readings.
    """
    if event.retraining:
        return (f"{event.retraining}: {event.text}",)
    return tuple(_describe(name, task) for name, task in event.tasks.items())


def _describe(name: str, task: TaskProgress) -> str:
    fitness, true_fitness, loss = task["fitness"], task["true_fitness"], task["loss"]
    if loss is None:
        return f"{name}: loss diverged"
    true = "" if true_fitness is None else f", true {format_percent(true_fitness)}"
    return (
        f"{name}: fitness {'-' if fitness is None else format_percent(fitness)}{true}, "
        f"loss {loss:.3f}"
    )
