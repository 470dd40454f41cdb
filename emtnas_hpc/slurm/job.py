"""What SLURM starts: a callable that holds the name of a run directory and nothing else.

A signal that comes while Python is still importing kills the job for good. So this file imports
little, and everything else only once it listens.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import SchedulerError, StartOverError, StoppedError
from emtnas_hpc.runner.signals import ReceivedSignal, StopRequest

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


#: If SLURM has not answered by then, the standby job goes on; submitit would wait for a minute,
#: which may be more than is left.
PATIENCE_S = 30.0


def requeue(handler: Any, patience_s: float = PATIENCE_S) -> NoReturn:
    """Requeues this job through submitit's handler of SIGUSR2.

    The handler leaves by SystemExit once SLURM has agreed.

    Raises:
        SchedulerError: SLURM refused, did not answer, or this process is not submitit's.
    """
    if not callable(handler):
        raise _refused("it was not started by submitit")
    _remove_leftovers()
    try:
        with _time_out(patience_s):
            handler(signal.SIGUSR2, None)
    except Exception as error:
        raise _refused(str(error) or type(error).__name__) from error
    raise _refused("submitit did not ask for it")


def _refused(reason: str) -> SchedulerError:
    said = " ".join(reason.split())
    return SchedulerError(
        f"this job could not be requeued ({said}); its standby job goes on, if any"
    )


def _remove_leftovers() -> None:
    """An attempt that was killed while submitit wrote its pickle left a file that would stop it."""
    folder = os.environ.get("SUBMITIT_FOLDER")
    if folder:
        for left in Path(folder.replace("%j", os.environ["SLURM_JOB_ID"])).glob("*.save_tmp"):
            left.unlink(missing_ok=True)


@contextmanager
def _time_out(seconds: float) -> Iterator[None]:
    def fail(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds:.0f} s")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class JobSignalPolicy:
    """SIGUSR2 stops; SIGTERM stops a cancelled run, and is otherwise waited out.

    SIGTERM also comes before a preemption. A process that ended by itself then would not be
    requeued; one that is killed at the end of the grace time is.

    Args:
        is_cancelled: whether the run is; asked when SIGTERM has come.
    """

    # SLURM sends SIGCONT before SIGTERM; it stops nothing and is only recorded.
    signals = (signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT)

    def __init__(self, is_cancelled: Callable[[], bool]) -> None:
        self._is_cancelled = is_cancelled
        #: Told of every signal, once there is somewhere to write it down.
        self.on_signal: Callable[[ReceivedSignal], None] = lambda _received: None

    def stops(self, received: ReceivedSignal) -> bool:
        """Whether this signal asks the run to stop."""
        self.on_signal(received)
        if received.number == signal.SIGTERM:
            return self._is_cancelled()
        return received.number == signal.SIGUSR2


class SeedJob:
    """Continues the run in an absolute directory; submitit pickles it, so it stays small."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def __call__(self) -> None:
        """Continues the seed, and asks SLURM to requeue the job if there is work left.

        Raises:
            SchedulerError: there is, but SLURM refused; a standby job goes on.
            EmtnasError: of the search.
        """
        # submitit's own handler knows how to requeue, but not when it is safe.
        submitits = signal.getsignal(signal.SIGUSR2)
        run = RunPaths(Path(self.directory))
        policy = JobSignalPolicy(run.cancelled.exists)
        with StopRequest(policy) as stop:
            if _run_worker(run, stop, policy):
                with stop.deferred():
                    requeue(submitits)
        if callable(submitits):
            # While Python shuts down, its handlers are gone: a signal would make a done job fail.
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def checkpoint(self) -> "DelayedSubmission":
        """What submitit is to start next time: the same; without this it would not requeue."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _run_worker(run: RunPaths, stop: StopRequest, policy: JobSignalPolicy) -> bool:
    try:
        from emtnas_hpc.slurm.worker import run_worker

        return run_worker(run, stop, policy)
    except (StoppedError, StartOverError):
        return not run.cancelled.exists()
