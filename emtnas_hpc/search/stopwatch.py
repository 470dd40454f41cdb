"""Accounting of wall-clock time by phase and task, as Table 5 of the paper splits it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Phase = Literal["search", "training", "evaluation", "true_fitness"]


class Stopwatch:
    """Adds up seconds by phase and task; whatever concerns all tasks is divided evenly."""

    def __init__(self, clock: Callable[[], float], n_tasks: int) -> None:
        self._clock = clock
        self._n_tasks = n_tasks
        self._seconds: dict[tuple[Phase, int], float] = defaultdict(float)

    @contextmanager
    def measure(self, phase: Phase, task: int | None = None) -> Iterator[None]:
        """Counts the time of a `with` block."""
        began = self._clock()
        yield
        seconds = self._clock() - began
        tasks = range(self._n_tasks) if task is None else (task,)
        for each in tasks:
            self._seconds[phase, each] += seconds / len(tasks)

    def seconds(self, phase: Phase, task: int) -> float:
        """The sum so far."""
        return self._seconds[phase, task]
