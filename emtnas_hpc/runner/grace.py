"""Whether a step that is under way when the run is asked to stop may still end."""

from collections import deque
from collections.abc import Callable

from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.runner.interruption import StopRequest

_N_RECENT = 20


class Grace:
    """Times the steps, and answers `interrupted()` in the middle of them.

    A step that is expected to end within the grace time, judged by the longest of the recent ones,
    goes on until that time is over; a longer one is interrupted at once. Before the first step has
    ended nothing is expected, and the whole grace time is granted.

    Args:
        stop: the flag.
        attempt: its heartbeat is kept.
        grace_s: seconds from the moment at which the flag is first seen.
        clock: seconds.
    """

    def __init__(
        self, stop: StopRequest, attempt: Attempt, grace_s: float, clock: Callable[[], float]
    ) -> None:
        self._stop = stop
        self._attempt = attempt
        self._grace_s = grace_s
        self._clock = clock
        self._recent_s: deque[float] = deque(maxlen=_N_RECENT)
        self._began = clock()
        self._deadline: float | None = None

    def begin_step(self) -> None:
        """A step begins."""
        self._began = self._clock()

    @property
    def outlasted(self) -> bool:
        """Whether the next step, if it had to stop, would be abandoned rather than ended."""
        return self.expected_s > self._grace_s

    def seconds_so_far(self) -> float:
        """Since the step under way began."""
        return self._clock() - self._began

    def end_step(self) -> float:
        """The step has ended; returns its seconds."""
        seconds = self.seconds_so_far()
        self._recent_s.append(seconds)
        return seconds

    def interrupted(self) -> bool:
        """Whether the step under way must be abandoned; asked between batches."""
        self._attempt.touch()
        if not self._stop.requested:
            return False
        now = self._clock()
        if self._deadline is None:
            self._deadline = now + self._grace_s
        return max(now, self._began + self.expected_s) > self._deadline

    @property
    def expected_s(self) -> float:
        """Seconds that a step takes, judged by the longest of the recent ones; 0 before any."""
        return max(self._recent_s, default=0.0)
