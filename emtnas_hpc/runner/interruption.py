"""Turning signals into an exception, or into a flag that is looked at between batches."""

import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from emtnas_hpc.errors import StoppedError


@dataclass(frozen=True)
class Heard:
    """A signal that came.

    Attributes:
        number: of the signal.
        at: when, on the monotonic clock.
    """

    number: signal.Signals
    at: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """As the manual pages write it."""
        return self.number.name


class Rule(Protocol):
    """Which signals are heard, and what each of them means."""

    @property
    def signals(self) -> tuple[signal.Signals, ...]:
        """Those that are heard; what others do is left as it is."""

    def stops(self, heard: Heard) -> bool:
        """Whether this signal asks the run to stop; asked once a signal, in the order they came."""


class EverySignalStops:
    """The rule of the foreground."""

    signals = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)

    def stops(self, _heard: Heard) -> bool:
        """Always."""
        return True


class StopRequest:
    """While entered, signals ask the run to stop, as a rule has it; the old handlers come back.

    The first one that stops raises StoppedError wherever the program is, be it asleep or waiting
    for a lock; within `deferred()` a signal sets a flag and nothing more. Later ones change
    nothing, so that the way out is not cut; but a second SIGINT raises KeyboardInterrupt at once.
    Children that inherited the handlers by a fork ignore all signals that are heard: one to the
    whole process group is the parent's business.

    Args:
        rule: by default SIGUSR2, SIGTERM and SIGINT stop.
    """

    def __init__(self, rule: Rule | None = None) -> None:
        self._rule = rule or EverySignalStops()
        self._signal: str | None = None
        self._interrupted = False
        self._deferring = False
        self._unjudged: deque[Heard] = deque()
        self._pid = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Installs the handlers; only the main thread may."""
        self._pid = os.getpid()
        for number in self._rule.signals:
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Puts the old handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def signal(self) -> str | None:
        """Name of the first signal that asked to stop, None while nobody asked."""
        while self._unjudged:
            heard = self._unjudged.popleft()
            if self._rule.stops(heard) and self._signal is None:
                self._signal = heard.name
        return self._signal

    @property
    def requested(self) -> bool:
        """Whether the run is asked to stop."""
        return self.signal is not None

    def leave_if_requested(self) -> None:
        """Makes up for what a signal could not do while it was deferred.

        Raises:
            StoppedError: the run is asked to stop.
        """
        if name := self.signal:
            raise StoppedError(name)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While entered, signals wait: whoever enters looks at `requested` when it suits him."""
        before, self._deferring = self._deferring, True
        try:
            yield
        finally:
            self._deferring = before

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        asked_before = self._signal is not None
        self._unjudged.append(Heard(signal.Signals(number)))
        if not self._deferring and not asked_before:
            self.leave_if_requested()
