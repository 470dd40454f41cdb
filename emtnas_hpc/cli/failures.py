"""What is said of an exception: one line and an exit code."""

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.errors import EmtnasError


def describe_failure(error: Exception) -> tuple[str, int]:
    """The line for the user, and the exit code."""
    if isinstance(error, EmtnasError):
        return one_line(error), error.exit_code
    if isinstance(error, MemoryError):
        # numpy says how much was asked for.
        asked = one_line(error) or "for what was asked"
        return f"this machine has not enough memory ({asked})", exit_codes.FAILED
    said = one_line(f"unexpected {type(error).__name__}: {error}")
    return f"{said}; emtnas-hpc --debug shows where", exit_codes.FAILED


def one_line(message: object) -> str:
    """A message without line breaks, whatever was quoted in it."""
    return " ".join(str(message).split())
