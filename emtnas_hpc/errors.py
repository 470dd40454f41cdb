"""Everything that goes wrong in a way we foresaw, as one tree of exceptions.

EmtnasError                     exit code 1
├── InputError                  2   a setting, file or argument that cannot be used
│   ├── DataError               2   a data set that is missing or damaged
│   │   └── UnpreparedError     2   `prepare` makes it anew
│   └── StoredError             2   an experiment.toml that cannot be understood
├── OwnedError                  3   another process holds the run directory
├── SupersededError             3   another process has taken the run directory from us
├── DamagedError                1   what is stored cannot be trusted, or does not fit
├── StorageError                1   the disk refused: full, read-only, gone
├── SchedulerError              1   SLURM is down, refuses, does not answer, or is not there
├── StoppedError                4   a signal came while no step was under way
└── StartOverError              4   this process can go on no more, and a new one can

A message is one line: what was found, what was expected, what to do.
"""

from collections.abc import Collection, Sequence
from pathlib import Path


class EmtnasError(Exception):
    """Base of every foreseen error; `exit_code` is what the command line leaves with."""

    exit_code = 1


class InputError(EmtnasError):
    """Something that the user gave cannot be used; nothing has been changed."""

    exit_code = 2


class DataError(InputError):
    """A data set is missing, damaged, or not what its settings say."""


class UnpreparedError(DataError):
    """What `prepare` makes of a source is missing or damaged.

    `settings/hints.py` adds the command that makes it anew, which the verb alone knows.

    Attributes:
        needs: what has to be true before, in words; empty for nothing.
    """

    def __init__(self, message: str, needs: str = "") -> None:
        super().__init__(message)
        self.needs = needs


class StoredError(InputError):
    """What a run directory says it is for cannot be understood."""


class OwnedError(EmtnasError):
    """Another living process owns the run directory."""

    exit_code = 3


class SupersededError(EmtnasError):
    """Another process took the run over; this one must leave without writing."""

    exit_code = 3


class DamagedError(EmtnasError):
    """What a run has stored is damaged; going on would overwrite what may be rescued."""


class StorageError(EmtnasError):
    """The file system refused a read or a write; the commits made before it are intact."""


class SchedulerError(EmtnasError):
    """SLURM is down, refuses, does not answer, or is not installed."""


class StoppedError(EmtnasError):
    """A signal came while nothing was under way that must not be cut; nothing is lost.

    Attributes:
        signal: its name.
    """

    exit_code = 4

    def __init__(self, signal: str) -> None:
        super().__init__(f"stopped by {signal}, nothing is lost; the same command goes on")
        self.signal = signal


class StartOverError(EmtnasError):
    """This process can go on no more, and a new one can; nothing is lost but the step under way.

    Attributes:
        reason: why.
    """

    exit_code = 4

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; the same command goes on")
        self.reason = reason


def shown(path: Path | str) -> str:
    """A path for a one-line message: as it is, or quoted where it would break the line."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def first_few(texts: Sequence[str], at_most: int = 3) -> str:
    """Texts for a one-line message; of many, those at the beginning."""
    return ", ".join([*texts[:at_most], *(["..."] if len(texts) > at_most else [])])


def some(names: Collection[str]) -> str:
    """Names for a one-line message, quoted; of many, the first few and their number."""
    quoted = [repr(name) for name in names]
    return first_few(quoted) + (f" ({len(names):,} of them)" if len(names) > 3 else "")
