"""Two clocks around a call."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Time(NamedTuple):
    """Seconds by the wall clock, and of CPU by all threads of the process."""

    wall: float
    cpu: float


def timed(call: Callable[[], object]) -> Time:
    """Times one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Time(time.perf_counter() - wall, time.process_time() - cpu)


def median(times: Sequence[Time]) -> Time:
    """The median of either clock."""
    return Time(*(statistics.median(clock) for clock in zip(*times, strict=True)))


def total(times: Sequence[Time]) -> Time:
    """The sum by either clock."""
    return Time(*(sum(clock) for clock in zip(*times, strict=True)))
