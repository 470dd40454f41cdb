"""What a check finds: one line."""

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was looked at, in a word or two.
        grade: how bad it is.
        found: what was found.
        advice: what to do about it; empty where nothing has to be done.
    """

    check: str
    grade: Grade
    found: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.found}; {self.advice}" if self.advice else self.found


def fine(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Grade.FINE, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It will do, but for what is said."""
    return Finding(check, Grade.WARNING, found, advice)


def wrong(check: str, found: str, advice: str) -> Finding:
    """It will not do."""
    return Finding(check, Grade.WRONG, found, advice)
