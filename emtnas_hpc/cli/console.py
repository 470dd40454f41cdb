"""What commands write to: results on stdout, the rest on stderr; and exit codes."""

import math
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import TextIOWrapper
from typing import Any, TextIO, cast

from rich import box
from rich.console import Console
from rich.table import Table

from emtnas_hpc.errors import EmtnasError, InputError, OwnedError

#: Of anything that is no terminal: tables take what they need of it.
_ENDLESS = 1000


def open_screen() -> Console:
    """A console on stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    return console


def make_table() -> Table:
    """An empty table that leaves the width to its contents."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


# stdout as the place of the result: what refuses it is told apart from every other failure.
#
# What its encoding lacks is spelled in characters that it has, as many of them: tables stay
# aligned.


#: Of the characters that we print ourselves, those that few encodings have.
_SPELLED = str.maketrans({"±": "~", "†": "+", "…": ".", "─": "-"})


class ReaderLeft(Exception):
    """The reader of stdout has left: `report | head`."""


@contextmanager
def delivered() -> Iterator[None]:
    """What the block prints has been handed over when it ends.

    Raises:
        ReaderLeft: its reader has left.
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


DONE = 0
FAILED = EmtnasError.exit_code
STOPPED = 4
DIFFERENCE = 5
INTERRUPTED = 130
#: What a shell makes of SIGPIPE. Not 0: `verify | head` has not told that two runs are equal.
UNHEARD = 141

#: For the help page.
MEANINGS = {
    DONE: "done",
    FAILED: "failed",
    InputError.exit_code: "bad input",
    OwnedError.exit_code: "owned by another process",
    STOPPED: "stopped with work left",
    DIFFERENCE: "verify found a difference",
    INTERRUPTED: "second Ctrl-C",
    UNHEARD: "the reader of the output left (report | head)",
}


def combine(codes: Sequence[int]) -> int:
    """Of several seeds: the code of the first that failed, else that of stopped ones, else 0.

    Bad input changes no run, so another run that went on decides the code.
    """
    failures = [code for code in codes if code not in (DONE, STOPPED)]
    if not failures:
        return max(codes)
    bad_input = InputError.exit_code
    return FAILED if failures[0] == bad_input and set(codes) != {bad_input} else failures[0]


def describe_failure(error: Exception) -> tuple[str, int]:
    """The line for the user, and the exit code."""
    if isinstance(error, EmtnasError):
        return one_line(error), error.exit_code
    if isinstance(error, MemoryError):
        # numpy says how much was asked for.
        asked = one_line(error) or "for what was asked"
        return f"this machine has not enough memory ({asked})", FAILED
    said = one_line(f"unexpected {type(error).__name__}: {error}")
    return f"{said}; emtnas-hpc --debug shows where", FAILED


def raise_last(problems: Sequence[EmtnasError]) -> None:
    """Prints all problems but the last, which is raised; without any nothing happens."""
    for problem in problems[:-1]:
        print_line(f"error: {one_line(problem)}")
    if problems:
        raise problems[-1]


def print_line(line: str) -> None:
    """Prints on stderr what is no result."""
    print(line, file=sys.stderr, flush=True)


def one_line(message: object) -> str:
    """A message without line breaks, whatever was quoted in it."""
    return " ".join(str(message).split())


def format_percent(fraction: float) -> str:
    """An accuracy in [0, 1] in percent; a dash where it was not measured."""
    return "-" if math.isnan(fraction) else f"{100 * fraction:.1f} %"


def format_duration(seconds: float) -> str:
    """Seconds as `12 s`, `3 min 05 s`, `7 h 12 min` or `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
