"""A search that sleeps after each commit, so that SLURM comes first on a machine of any speed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stories import Story

from emtnas_hpc.store.owner import read_owner

_PAUSE_S = 0.05


@contextmanager
def drowsy(story: Story) -> Iterator[None]:
    """During the block the process that owns the run is stopped after every commit of its search.

    It sleeps until SLURM has something to tell it: that sends SIGCONT first, and then the signal.
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
        if generation > seen and generation < story.search.generations:
            seen = generation
            _send(story, signal.SIGSTOP)


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
