"""Ctrl-C and SIGTERM at a better moment: after what must not be cut in two."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Whatever asks us to end during the block is heard at its end, where it raises."""
    heard: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _NUMBERS}
    # What is ignored stays so, here and in what is started.
    handlers = {number: it for number, it in handlers.items() if it != signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])
