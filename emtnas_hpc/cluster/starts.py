"""The starts of a run as far as a table needs them: not all of their lines are understood."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from emtnas_hpc.cluster.state import ENDS, LastStart
from emtnas_hpc.runner.attempts import Event, parse_line
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import storage_errors

_END_WORDS = tuple(f'"{kind}"'.encode() for kind in ENDS)
_WARNING = f'"{Event.NO_GPU}"'.encode()

#: Why a start stopped that heard no signal, as what follows `by`.
_REASONS = {"deadline": "its time limit", "cancelled": "`cancel`"}


@dataclass(frozen=True)
class Starts:
    """The starts of a run.

    Attributes:
        last: the newest; None if it never began.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        warning: of the newest start, about where it runs; empty if it had none.
    """

    last: LastStart | None
    restarts: Mapping[str, int]
    warning: str = ""


def read_starts(paths: RunPaths, now: float) -> Starts:
    """Reads the first line of every attempt, and of the newest how it ended.

    Args:
        paths: of the run.
        now: seconds since 1970 by the clock of the directory's file server.

    Raises:
        StorageError: the file system refused.
    """
    restarts: dict[str, int] = {}
    lines: list[bytes] = []
    heartbeat: float | None = None
    attempts = paths.find_attempts()
    for found in attempts:
        with storage_errors(found.path, "read"), found.path.open("rb") as file:
            lines = file.read().splitlines() if found is attempts[-1] else [file.readline()]
            heartbeat = os.fstat(file.fileno()).st_mtime
        first = parse_line(lines[0]) if lines else {}
        if job_id := first.get("job_id"):
            count = int(first.get("restart_count") or 0)
            restarts[job_id] = max(count, restarts.get(job_id, 0))
    if heartbeat is None:
        return Starts(None, restarts)
    last = _last_start(lines, max(0.0, now - heartbeat))
    return Starts(last, restarts, _warning(lines))


def _last_start(lines: list[bytes], silent_s: float) -> LastStart:
    # It may tell more after its end, so the newest of the ends is looked for backwards.
    # Most lines are commits, and need not be understood to be passed over.
    candidates = (line for line in reversed(lines) if any(kind in line for kind in _END_WORDS))
    events = map(parse_line, candidates)
    end = next((event for event in events if event.get("event") in ENDS), {})
    told = (end.get(key) for key in ("error", "signal", "reason"))
    detail = next((str(value) for value in told if value), "")
    return LastStart(end.get("event"), _REASONS.get(detail, detail), silent_s)


def _warning(lines: list[bytes]) -> str:
    events = (parse_line(line) for line in lines if _WARNING in line)
    messages = (event.get("message") for event in events if event.get("event") == Event.NO_GPU)
    return next((str(message) for message in messages if message), "")
