"""The starts of a run as far as a table needs them: a few lines of each attempt, not all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emtnas_hpc.cluster.state import ENDS, LastStart
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import storage_errors

_END_WORDS = tuple(f'"{kind}"'.encode() for kind in ENDS)

#: Why a start stopped that heard no signal, as what follows `by`.
_REASONS = {"deadline": "its time limit", "cancelled": "`cancel`"}


@dataclass(frozen=True)
class Starts:
    """The starts of a run.

    Attributes:
        last: the newest; None if it never began.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
    """

    last: LastStart | None
    restarts: Mapping[str, int]


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
    for found in paths.find_attempts():
        with storage_errors(found.path, "read"):
            lines = found.path.read_bytes().splitlines()
            heartbeat = found.path.stat().st_mtime
        first = _parsed(lines[0]) if lines else {}
        if job_id := first.get("job_id"):
            count = int(first.get("restart_count") or 0)
            restarts[job_id] = max(count, restarts.get(job_id, 0))
    if heartbeat is None:
        return Starts(None, restarts)
    return Starts(_last_start(lines, max(0.0, now - heartbeat)), restarts)


def _last_start(lines: list[bytes], silent_s: float) -> LastStart:
    # It may tell more after its end, so the newest of the ends is looked for backwards.
    # Most lines are commits, and need not be understood to be passed over.
    candidates = (line for line in reversed(lines) if any(kind in line for kind in _END_WORDS))
    events = map(_parsed, candidates)
    end = next((event for event in events if event.get("event") in ENDS), {})
    told = (end.get(key) for key in ("error", "signal", "reason"))
    detail = next((str(value) for value in told if value), "")
    return LastStart(end.get("event"), _REASONS.get(detail, detail), silent_s)


def _parsed(line: bytes) -> dict[str, Any]:
    """A line of an attempt; empty for one that was torn."""
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
