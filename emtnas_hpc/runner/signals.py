"""Signals that ask a run to stop, and the grace time of a step."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol, Self

from emtnas_hpc.errors import StoppedError
from emtnas_hpc.runner.attempts import Attempt


@dataclass(frozen=True)
class ReceivedSignal:
    """A signal, and when it came by the monotonic clock."""

    number: signal.Signals
    at: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """As the manual pages write it."""
        return self.number.name


class SignalPolicy(Protocol):
    """The signals that are handled, and what each of them means."""

    @property
    def signals(self) -> tuple[signal.Signals, ...]:
        """The signals that are handled; the handlers of others stay as they are."""

    def stops(self, received: ReceivedSignal) -> bool:
        """Whether this signal asks the run to stop; asked once a signal, in the order they came."""


class EverySignalStops:
    """The policy of the foreground."""

    signals = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)

    def stops(self, _received: ReceivedSignal) -> bool:
        """Always."""
        return True


class StopRequest:
    """Handles signals within a `with` block: by its policy, they ask the run to stop.

    The first one that stops raises StoppedError wherever the program is, be it asleep or waiting
    for a lock; within `deferred()` a signal sets a flag and nothing more. Later ones change
    nothing, so that the way out is not cut; but a second SIGINT raises KeyboardInterrupt at once.
    Children that inherited the handlers by a fork ignore these signals: the parent answers one that
    was sent to the whole process group.

    By default SIGUSR2, SIGTERM and SIGINT stop.
    """

    def __init__(self, policy: SignalPolicy | None = None) -> None:
        self._policy = policy or EverySignalStops()
        self._signal: str | None = None
        self._interrupted = False
        self._deferring = False
        self._unjudged: deque[ReceivedSignal] = deque()
        self._pid = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Installs the handlers; only the main thread may."""
        self._pid = os.getpid()
        for number in self._policy.signals:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_error: object) -> None:
        """Puts the old handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def signal(self) -> str | None:
        """Name of the first signal that asked to stop, None if there was none."""
        while self._unjudged:
            received = self._unjudged.popleft()
            if self._policy.stops(received) and self._signal is None:
                self._signal = received.name
        return self._signal

    @property
    def requested(self) -> bool:
        """Whether the run is asked to stop."""
        return self.signal is not None

    def leave_if_requested(self) -> None:
        """Raises the error of a signal that came while signals were deferred.

        Raises:
            StoppedError: the run is asked to stop.
        """
        if name := self.signal:
            raise StoppedError(name)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the block signals only set a flag; the caller looks at `requested`."""
        before, self._deferring = self._deferring, True
        try:
            yield
        finally:
            self._deferring = before

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # SLURM signals every process of a job: children by a fork have inherited this handler.
        if os.getpid() != self._pid:
            return
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        asked_before = self._signal is not None
        self._unjudged.append(ReceivedSignal(signal.Signals(number)))
        if not self._deferring and not asked_before:
            self.leave_if_requested()


_N_RECENT = 20


class GracePeriod:
    """Times the steps, and says in the middle of a step whether to abandon it.

    A step that is expected to end within the grace time, judged by the longest of the recent ones,
    goes on until that time is over; a longer one is interrupted at once. Before the first step has
    ended nothing is expected, and the whole grace time is granted.

    The grace time begins when the request is first seen.
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
        self._grace_ends: float | None = None

    def begin_step(self) -> None:
        """A step begins."""
        self._began = self._clock()

    @property
    def is_too_short(self) -> bool:
        """Whether a step is expected to take longer: asked to stop, it would be abandoned."""
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
        if self._grace_ends is None:
            self._grace_ends = now + self._grace_s
        return max(now, self._began + self.expected_s) > self._grace_ends

    @property
    def expected_s(self) -> float:
        """Seconds that a step takes, judged by the longest of the recent ones; 0 before any."""
        return max(self._recent_s, default=0.0)
