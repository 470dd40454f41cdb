"""A process that kills its children before their k-th call into the file system, for every k.

Each child begins a run in a directory of its own and is killed; another one ends that run. Forks
are quick, and safe here: this process has no threads.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from counting import CountingStage, run_counting
from interposed import before_every_call

N_STEPS = 3


class Killer:
    """Kills this process before the k-th call."""

    def __init__(self, k: int) -> None:
        self._left = k

    def __call__(self, _: str) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], object]) -> int:
    """Does the work in a fork; returns its exit code, the negative signal if it was killed."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_until_killed(directory: Path, k: int) -> None:
    with before_every_call(Killer(k)):
        run_counting(directory, CountingStage(N_STEPS))


def main(parent: Path) -> None:
    for k in count(1):
        directory = parent / f"killed at {k}"
        code = in_child(lambda: run_until_killed(directory, k))  # noqa: B023
        if code == 0:
            return
        if code != -signal.SIGKILL:
            sys.exit(f"a run failed before its call {k}")
        if in_child(lambda: run_counting(directory, CountingStage(N_STEPS))):  # noqa: B023
            sys.exit(f"the run that was killed at call {k} could not be ended")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
