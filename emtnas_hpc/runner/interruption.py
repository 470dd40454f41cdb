"""Turning signals into an exception, or into a flag that is looked at between batches."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from emtnas_hpc.errors import StoppedError

_SIGNALS = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """While entered, SIGUSR2, SIGTERM and SIGINT ask the run to stop; the old handlers come back.

    The first one raises StoppedError wherever the program is, be it asleep or waiting for a lock;
    within `deferred()` it sets the flag and nothing more. Later ones change nothing, so that the
    way out is not cut; but a second SIGINT raises KeyboardInterrupt at once. Children that
    inherited the handlers by a fork ignore all three: a signal to the whole process group is the
    parent's business.

    Attributes:
        signal: name of the first signal that came, None while nobody asked.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._interrupted = False
        self._deferring = False
        self._pid = os.getpid()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Installs the handlers; only the main thread may."""
        self._pid = os.getpid()
        for number in _SIGNALS:
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
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

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
        if self.requested:
            return
        self.signal = signal.Signals(number).name
        if not self._deferring:
            raise StoppedError(self.signal)
