"""What SLURM starts: a callable that holds the name of a run directory and nothing else.

A signal that comes while Python is still importing kills the job for good. So this file imports
little, and everything else only once it listens.
"""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.cluster.requeueing import requeue
from emtnas_hpc.cluster.signals import JobRule
from emtnas_hpc.errors import StoppedError
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.store.paths import RunPaths

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission


class SeedJob:
    """Carries a seed on; submitit pickles it, so it must stay small and stateless.

    Args:
        directory: of the run, absolute.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def __call__(self) -> None:
        """Carries the seed on, and asks SLURM for another start if there is work left.

        Raises:
            SchedulerError: there is, but SLURM refused; a spare goes on.
            EmtnasError: of the search.
        """
        # submitit's own handler knows how to requeue, but not when it is safe.
        submitits = signal.getsignal(signal.SIGUSR2)
        run = RunPaths(Path(self.directory))
        rule = JobRule(run.cancelled.exists)
        with StopRequest(rule) as stop:
            if _carry_on(run, stop, rule):
                with stop.deferred():
                    requeue(submitits)
        if callable(submitits):
            # While Python shuts down, its handlers are gone: a signal would make a done job fail.
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def checkpoint(self) -> "DelayedSubmission":
        """What submitit is to start next time: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _carry_on(run: RunPaths, stop: StopRequest, rule: JobRule) -> bool:
    try:
        from emtnas_hpc.cluster.course import carry_on

        return carry_on(run, stop, rule)
    except StoppedError:
        return not run.cancelled.exists()
