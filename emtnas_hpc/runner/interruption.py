"""Turning signals into a flag that is looked at between batches."""

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """While entered, SIGUSR2, SIGTERM and SIGINT ask the run to stop; the old handlers come back.

    A second SIGINT raises KeyboardInterrupt at once. Children that inherited the handlers by a fork
    ignore all three: a signal to the whole process group is the parent's business.

    Attributes:
        signal: name of the first signal that came, None while nobody asked.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._interrupted = False
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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return
        if number == signal.SIGINT:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True
        self.signal = self.signal or signal.Signals(number).name
