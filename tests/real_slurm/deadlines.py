"""Waiting for something to become true, and saying what was there instead when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T | None],
    what: str,
    within_s: float = 180.0,
    tell: Callable[[], str] = lambda: "",
    pause_s: float = 0.1,
) -> T:
    """Returns what the condition returns, once that is true.

    Args:
        condition: is asked again and again.
        what: is being waited for, to say so when the time is over.
        within_s: far more seconds than it should take: a busy machine is no failure.
        tell: describes the world for whoever reads of the failure.
        pause_s: seconds between two looks.
    """
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {within_s:.0f} s in vain: {what}\n{tell()}", pytrace=True)
        time.sleep(pause_s)
    return found


def after(seconds: float) -> Callable[[], bool]:
    """True once so many seconds have passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
