"""stdout as the place of the result: what refuses it is told apart from every other failure.

What its encoding lacks is spelled in characters that it has, as many of them: tables stay aligned.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from typing import Any, TextIO, cast

from emtnas_hpc.errors import EmtnasError

#: Of the characters that we print ourselves, those that few encodings have.
_SPELLED = str.maketrans({"±": "~", "†": "+", "…": ".", "─": "-"})


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
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # A path that is no text comes out as it came in.
        sys.stdout.reconfigure(errors="surrogateescape")
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
            return self._stream.write(self._spelled(text))

    def flush(self) -> None:
        """Flushes, or says why not."""
        with self._refusals():
            self._stream.flush()

    def _spelled(self, text: str) -> str:
        encoding = self._stream.encoding
        if encoding is None:
            return text
        try:
            text.encode(encoding, "surrogateescape")
        except UnicodeEncodeError:
            # Of `96.73 ±0.15` the space gives way, so that the number of characters stays.
            plain = text.replace(" ±", "+-").translate(_SPELLED)
            return "".join(_known(character, encoding) for character in plain)
        return text

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


def _known(character: str, encoding: str) -> str:
    """The character, or as many question marks as it is wide."""
    try:
        character.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return "?" * (1 + (unicodedata.east_asian_width(character) in "WF"))
    return character
