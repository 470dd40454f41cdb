"""SLURM's own commands: each ends within its time, and what it refuses is said in one line."""

import os
import subprocess

from emtnas_hpc.errors import SchedulerError

#: A controller that is busy answers within this; two calls still fit into 20 s.
PATIENCE_S = 9.0

#: English messages, and times as seconds since 1970: no time zone, no locale, no year left out.
_LANGUAGE = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}


def call(*command: str, patience_s: float = PATIENCE_S) -> str:
    """Runs one of SLURM's commands; returns what it printed.

    Args:
        command: its name and its arguments.
        patience_s: seconds that it may take.

    Raises:
        SchedulerError: it is not installed, refused, or did not answer.
    """
    name = command[0]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **_LANGUAGE},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_s,
            check=False,
        )
    except FileNotFoundError:
        raise SchedulerError(
            f"there is no command {name} here; this must run on a node of a SLURM cluster"
        ) from None
    except subprocess.TimeoutExpired:
        raise SchedulerError(
            f"{name} did not answer within {patience_s:.0f} s; "
            "is SLURM's controller down? try again later"
        ) from None
    if done.returncode:
        raise SchedulerError(f"{name} refused: {_reason(done.stderr or done.stdout)}")
    return done.stdout


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # SLURM says what is wrong first and gives up in general words after it.
    return "; ".join(lines[:2]) or "without a word"
