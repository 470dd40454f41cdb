"""stdout as the place of the result: what refuses it is told apart from every other failure."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from emtnas_hpc.errors import EmtnasError


class ReaderLeft(Exception):
    """Whoever read stdout has seen enough: `report | head`."""


@contextmanager
def delivered() -> Iterator[None]:
    """What the block prints has been handed over when it ends.

    Raises:
        ReaderLeft: nobody reads it.
        EmtnasError: it has no place to go.
    """
    if sys.stdout is None:
        raise EmtnasError("cannot write the result to stdout: it is closed")
    stream = _Stdout(sys.stdout)
    with redirect_stdout(cast(TextIO, stream)):
        yield
        stream.flush()


class _Stdout:
    """The real one, whose refusals are not OSErrors: libraries have their own ideas of those."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes, or says why not."""
        with self._refusals():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flushes, or says why not."""
        with self._refusals():
            self._stream.flush()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._give_up()
            raise ReaderLeft from None
        except OSError as error:
            self._give_up()
            raise EmtnasError(f"cannot write the result to stdout: {error.strerror}") from error

    def _give_up(self) -> None:
        # What is still buffered has nowhere to go, and Python would say so at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
