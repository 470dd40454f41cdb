"""Searches that sleep, so that the tests and SLURM come first on a machine of any speed."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deadlines import wait_for
from stories import Story

from emtnas_hpc.checkpoint.ownership import read_owner

#: Far less than a generation takes anywhere.
_PAUSE_S = 0.02


@contextmanager
def asleep(story: Story, is_time: Callable[[], bool] | None = None) -> Iterator[None]:
    """Within the block the process that owns the run does nothing, unless SLURM wakes it.

    SLURM does so before it sends a signal by itself, but not for `scancel --signal`.

    Args:
        story: of the run.
        is_time: whether to put it to sleep; by default once its first generation is committed.
    """
    owner = story.owner()
    begun = is_time or (lambda: story.search.generation(story.seed) >= 1)
    wait_for(begun, "the moment to sleep", pause_s=_PAUSE_S, tell=story.tell)
    os.kill(owner.pid, signal.SIGSTOP)
    try:
        assert not story.search.is_done(story.seed), "it was over before it could be stopped"
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGCONT)


@contextmanager
def drowsy(story: Story) -> Iterator[None]:
    """During the block the process that owns the run is stopped after every commit of its search.

    It sleeps until SLURM has something to tell it: that sends SIGCONT first, and then the signal.
    One that was asked to make room is let go.
    """
    over = threading.Event()
    thread = threading.Thread(target=_put_to_sleep, args=(story, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _send(story, signal.SIGCONT)


def _put_to_sleep(story: Story, over: threading.Event) -> None:
    seen = 0
    while not over.wait(_PAUSE_S):
        generation = story.search.generation(story.seed)
        if seen < generation < story.search.generations and not _makes_room(story):
            seen = generation
            _send(story, signal.SIGSTOP)


def _makes_room(story: Story) -> bool:
    heard = [event["signal"] for event in story.starts()[-1].events if event["event"] == "signal"]
    return "SIGUSR2" in heard


def _send(story: Story, number: signal.Signals) -> None:
    owner = read_owner(story.run.owner)
    if owner and _searches(owner.pid):
        with suppress(ProcessLookupError):
            os.kill(owner.pid, number)


def _searches(pid: int) -> bool:
    """Whether that is still a Python of ours, and not one whose number was given out again."""
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
