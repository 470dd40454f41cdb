"""What the signals that SLURM sends mean to a job."""

import signal
from collections.abc import Callable

from emtnas_hpc.runner.interruption import Heard


class JobRule:
    """SIGUSR2 stops; SIGTERM stops a run that was called off, and is otherwise waited out.

    SIGTERM also comes before a preemption. A process that left by itself then would not be
    requeued; one that is killed at the end of the grace time is.

    Args:
        called_off: whether the run was; asked when SIGTERM has come.
    """

    signals = (signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT)

    def __init__(self, called_off: Callable[[], bool]) -> None:
        self._called_off = called_off
        #: Told of every signal, once there is somewhere to write it down.
        self.witness: Callable[[Heard], None] = lambda _heard: None

    def stops(self, heard: Heard) -> bool:
        """Whether this signal asks the run to stop."""
        self.witness(heard)
        if heard.number == signal.SIGTERM:
            return self._called_off()
        return heard.number == signal.SIGUSR2
