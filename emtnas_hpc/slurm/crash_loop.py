"""When a run that keeps starting without getting on is given up. Pure."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise, takewhile
from typing import Any

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths
from emtnas_hpc.runner.attempts import ENDS, AttemptRecord, Event, parse_line
from emtnas_hpc.runner.context import Reason
from emtnas_hpc.slurm.reconcile import UNFINISHED_ENDS, LastAttempt
from emtnas_hpc.slurm.slurm import format_minutes

#: So many starts in a row that count against a run end it.
N_STRIKES = 3

#: SLURM looks at time limits twice a minute, and may send its signal that much too early.
_EARLY_S = 60.0

_STOPPING = ("SIGUSR2", "SIGTERM")


class Kind(Enum):
    """What a start means for the run."""

    PROGRESS = "it committed something"
    EXCUSED = "nothing came of it, by no fault of the run"
    STRIKE = "nothing came of it, and the same would happen again"


@dataclass(frozen=True)
class Ending:
    """How a start ended; `reason` says in words why it is a strike."""

    kind: Kind
    reason: str = ""


def reason_to_give_up(attempts: Sequence[AttemptRecord], living: str | None = None) -> str | None:
    """Why a run is to be marked as failed; None while there is hope.

    What was before the start that gave the run up once is forgiven.

    Args:
        attempts: all starts, oldest first; one that has not ended is the last, and counts nothing.
        living: token of the owner if it may be alive, which others may have begun after.
    """
    strikes = _strikes_in_a_row([each for each in attempts if each.token != living])
    if len(strikes) < N_STRIKES:
        return None
    return f"{len(strikes)} starts in a row without progress; {strikes[-1].reason}"


def endings(attempts: Sequence[AttemptRecord]) -> list[Ending]:
    """How every start ended; nothing is said of a last one that has not."""
    judged = [_judge(attempt, after) for attempt, after in pairwise(attempts)]
    if attempts and _has_ended(attempts[-1]):
        judged.append(_judge(attempts[-1], None))
    return judged


def _strikes_in_a_row(attempts: Sequence[AttemptRecord]) -> list[Ending]:
    newest_first = reversed(endings(_since_forgiven(attempts)))
    barren = takewhile(lambda ending: ending.kind is not Kind.PROGRESS, newest_first)
    return [ending for ending in barren if ending.kind is Kind.STRIKE][::-1]


def _since_forgiven(attempts: Sequence[AttemptRecord]) -> Sequence[AttemptRecord]:
    given_up = [i for i, attempt in enumerate(attempts) if _first(attempt, Event.GAVE_UP)]
    return attempts[given_up[-1] + 1 :] if given_up else attempts


def _judge(attempt: AttemptRecord, after: AttemptRecord | None) -> Ending:
    if _first(attempt, Event.COMMITTED):
        return Ending(Kind.PROGRESS)
    if not attempt.provenance.get("job_id"):
        return Ending(Kind.EXCUSED)  # in the foreground somebody was looking
    if failed := _first(attempt, Event.FAILED):
        return Ending(Kind.STRIKE, f"the last one ended with {failed.get('error')}")
    if _reached_its_limit(attempt):
        return Ending(Kind.STRIKE, _limit_reason(attempt))
    if _has_ended(attempt) or any(_signals(attempt)) or _requeued(attempt, after):
        return Ending(Kind.EXCUSED)
    return Ending(
        Kind.STRIKE, "the last one vanished without a signal: killed, or out of memory? see its log"
    )


def _reached_its_limit(attempt: AttemptRecord) -> bool:
    lead_s = float(attempt.provenance.get("lead_time_s") or 0.0)
    left = (signal.get("seconds_left") for signal in _signals(attempt))
    return any(seconds is not None and seconds <= lead_s + _EARLY_S for seconds in left)


def _limit_reason(attempt: AttemptRecord) -> str:
    limit_s = float(attempt.provenance.get("time_left_s") or 0.0)
    lead_s = float(attempt.provenance.get("lead_time_s") or 0.0)
    limit = (
        f"the limit is {format_minutes(limit_s)}, of which {format_minutes(lead_s)} are lead time"
    )
    abandoned = _first(attempt, Event.ABANDONED)
    if not abandoned or not abandoned.get("seconds"):
        return f"no {_step(attempt)} ended before the time limit; {limit}"
    return f"one {_step(attempt)} takes more than {format_minutes(abandoned['seconds'])}, {limit}"


def _step(attempt: AttemptRecord) -> str:
    """What a step of the stage under way is called."""
    stages = (event["stage"] for event in reversed(attempt.events) if event.get("stage"))
    stage = next(stages, SEARCH)
    return "generation" if stage == SEARCH else f"step of {stage}"


def _requeued(attempt: AttemptRecord, after: AttemptRecord | None) -> bool:
    if after is None or after.provenance.get("job_id") != attempt.provenance["job_id"]:
        return False
    counts = [int(each.provenance.get("restart_count") or 0) for each in (attempt, after)]
    return counts[1] > counts[0]


def _has_ended(attempt: AttemptRecord) -> bool:
    return any(event["event"] in ENDS for event in attempt.events)


def _signals(attempt: AttemptRecord) -> Iterator[dict[str, Any]]:
    for event in attempt.events:
        if event["event"] == Event.SIGNAL and event.get("signal") in _STOPPING:
            yield event


def _first(attempt: AttemptRecord, kind: str) -> dict[str, Any] | None:
    return next((event for event in attempt.events if event["event"] == kind), None)


_END = re.compile("|".join(f'"{kind}"' for kind in UNFINISHED_ENDS).encode())
_WARNING = re.compile(f'"{Event.NO_GPU}"'.encode())

#: Why a start stopped that heard no signal, as what follows `by`.
_REASONS: Mapping[str, str] = {Reason.DEADLINE: "its time limit", Reason.CANCELLED: "`cancel`"}


@dataclass(frozen=True)
class AttemptSummary:
    """The starts of a run.

    Attributes:
        last: the newest; None if it never began.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        warning: of the newest start, about where it runs; empty if it had none.
        silences: by the token of every start, seconds since its last sign of life.
    """

    last: LastAttempt | None
    restarts: Mapping[str, int]
    warning: str = ""
    silences: Mapping[str, float] = field(default_factory=dict)


def summarise_attempts(paths: RunPaths, now: float) -> AttemptSummary:
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
        return AttemptSummary(None, restarts)
    last = _last_start(text, silences[attempts[-1].token])
    return AttemptSummary(last, restarts, _warning(text), silences)


def _last_start(text: bytes, silent_s: float) -> LastAttempt:
    # It may tell more after its end, so the newest of the ends is looked for backwards.
    events = (parse_line(line) for line in reversed(_lines_with(_END, text)))
    end = next((event for event in events if event.get("event") in UNFINISHED_ENDS), {})
    told = (end.get(key) for key in ("error", "signal", "reason"))
    detail = next((str(value) for value in told if value), "")
    return LastAttempt(end.get("event"), _REASONS.get(detail, detail), silent_s)


def _warning(text: bytes) -> str:
    events = (parse_line(line) for line in _lines_with(_WARNING, text))
    messages = (event.get("message") for event in events if event.get("event") == Event.NO_GPU)
    return next((str(message) for message in messages if message), "")


def _lines_with(word: "re.Pattern[bytes]", text: bytes) -> list[bytes]:
    """The lines in which it is found: most are commits, and are passed over as a whole."""
    found = [match.start() for match in word.finditer(text)]
    return [text[text.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0] for at in found]
