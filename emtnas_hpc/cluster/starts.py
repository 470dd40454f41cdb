"""The starts of a run as far as a table needs them: not all of their lines are understood."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from emtnas_hpc.cluster.state import UNFINISHED_ENDS, LastStart
from emtnas_hpc.runner.attempts import Event, parse_line
from emtnas_hpc.runner.terms import Reason
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import storage_errors

_END = re.compile("|".join(f'"{kind}"' for kind in UNFINISHED_ENDS).encode())
_WARNING = re.compile(f'"{Event.NO_GPU}"'.encode())

#: Why a start stopped that heard no signal, as what follows `by`.
_REASONS: Mapping[str, str] = {Reason.DEADLINE: "its time limit", Reason.CANCELLED: "`cancel`"}


@dataclass(frozen=True)
class Starts:
    """The starts of a run.

    Attributes:
        last: the newest; None if it never began.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        warning: of the newest start, about where it runs; empty if it had none.
        silences: by the token of every start, seconds since its last sign of life.
    """

    last: LastStart | None
    restarts: Mapping[str, int]
    warning: str = ""
    silences: Mapping[str, float] = field(default_factory=dict)


def read_starts(paths: RunPaths, now: float) -> Starts:
    """Reads the first line of every attempt, and of the newest how it ended.

    Args:
        paths: of the run.
        now: seconds since 1970 by the clock of the directory's file server.

    Raises:
        StorageError: the file system refused.
    """
    restarts: dict[str, int] = {}
    silences: dict[str, float] = {}
    text = b""
    attempts = paths.find_attempts()
    for found in attempts:
        with storage_errors(found.path, "read"), found.path.open("rb") as file:
            text = file.read() if found is attempts[-1] else file.readline()
            silences[found.token] = max(0.0, now - os.fstat(file.fileno()).st_mtime)
        first = parse_line(text.partition(b"\n")[0])
        if job_id := first.get("job_id"):
            count = int(first.get("restart_count") or 0)
            restarts[job_id] = max(count, restarts.get(job_id, 0))
    if not attempts:
        return Starts(None, restarts)
    last = _last_start(text, silences[attempts[-1].token])
    return Starts(last, restarts, _warning(text), silences)


def _last_start(text: bytes, silent_s: float) -> LastStart:
    # It may tell more after its end, so the newest of the ends is looked for backwards.
    events = (parse_line(line) for line in reversed(_lines_with(_END, text)))
    end = next((event for event in events if event.get("event") in UNFINISHED_ENDS), {})
    told = (end.get(key) for key in ("error", "signal", "reason"))
    detail = next((str(value) for value in told if value), "")
    return LastStart(end.get("event"), _REASONS.get(detail, detail), silent_s)


def _warning(text: bytes) -> str:
    events = (parse_line(line) for line in _lines_with(_WARNING, text))
    messages = (event.get("message") for event in events if event.get("event") == Event.NO_GPU)
    return next((str(message) for message in messages if message), "")


def _lines_with(word: "re.Pattern[bytes]", text: bytes) -> list[bytes]:
    """The lines in which it is found: most are commits, and are passed over as a whole."""
    found = [match.start() for match in word.finditer(text)]
    return [text[text.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0] for at in found]
