"""Asking SLURM to start this job once more."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from emtnas_hpc.errors import SchedulerError

#: A scheduler that has not answered by then is left to the spare.
PATIENCE_S = 30.0


def requeue(handler: Any, patience_s: float = PATIENCE_S) -> NoReturn:
    """Requeues this job through submitit's handler of SIGUSR2.

    Args:
        handler: submitit's; it leaves by SystemExit once SLURM has agreed.
        patience_s: seconds that it may take.

    Raises:
        SchedulerError: SLURM refused, did not answer, or this process is not submitit's.
    """
    if not callable(handler):
        raise _refused("it was not started by submitit")
    _remove_leftovers()
    try:
        with _patience(patience_s):
            handler(signal.SIGUSR2, None)
    except Exception as error:
        raise _refused(str(error) or type(error).__name__) from error
    raise _refused("submitit did not ask for it")


def _refused(reason: str) -> SchedulerError:
    said = " ".join(reason.split())
    return SchedulerError(f"this job could not be requeued ({said}); its spare goes on, if any")


def _remove_leftovers() -> None:
    """A start that was killed while submitit wrote its pickle left a file that would stop it."""
    folder = os.environ.get("SUBMITIT_FOLDER")
    if folder:
        for left in Path(folder.replace("%j", os.environ["SLURM_JOB_ID"])).glob("*.save_tmp"):
            left.unlink(missing_ok=True)


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds:.0f} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
