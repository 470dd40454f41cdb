"""One-line notices to whoever watches the run."""

import sys


def notice(message: str) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(f"emtnas-hpc: {message}\n")
    sys.stderr.flush()
