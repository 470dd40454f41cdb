"""When a run whose attempts commit nothing is marked as failed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise, takewhile
from typing import Any

from emtnas_hpc.checkpoint.paths import SEARCH
from emtnas_hpc.runner.attempts import ENDS, AttemptRecord, Event
from emtnas_hpc.slurm.slurm import format_minutes

#: So many failed attempts in a row end a run.
MAX_FAILURES = 3

#: SLURM looks at time limits twice a minute, and may send its signal that much too early.
_EARLY_S = 60.0

_STOPPING = ("SIGUSR2", "SIGTERM")


class AttemptResult(Enum):
    """What became of an attempt."""

    PROGRESS = "it committed something"
    INTERRUPTED = "it committed nothing, by no fault of the run"
    FAILED = "it committed nothing, and the next one would not either"


@dataclass(frozen=True)
class AttemptOutcome:
    """What became of an attempt; `reason` says in words why it failed."""

    result: AttemptResult
    reason: str = ""


def find_crash_loop(attempts: Sequence[AttemptRecord], living: str | None = None) -> str | None:
    """Why a run is to be marked as failed; None while it may still succeed.

    Attempts up to the one that marked it before do not count.

    Args:
        attempts: all, oldest first; one that has not ended is the last, and counts nothing.
        living: token of the owner if it may be alive; others may have begun after it.
    """
    failures = _failures_in_a_row([each for each in attempts if each.token != living])
    if len(failures) < MAX_FAILURES:
        return None
    return f"{len(failures)} starts in a row without progress; {failures[-1].reason}"


def judge_attempts(attempts: Sequence[AttemptRecord]) -> list[AttemptOutcome]:
    """What became of every attempt; a last one that has not ended is left out."""
    judged = [_judge(attempt, after) for attempt, after in pairwise(attempts)]
    if attempts and _has_ended(attempts[-1]):
        judged.append(_judge(attempts[-1], None))
    return judged


def _failures_in_a_row(attempts: Sequence[AttemptRecord]) -> list[AttemptOutcome]:
    marked = [i for i, attempt in enumerate(attempts) if _first(attempt, Event.GAVE_UP)]
    since = attempts[marked[-1] + 1 :] if marked else attempts
    newest_first = reversed(judge_attempts(since))
    in_vain = takewhile(lambda each: each.result is not AttemptResult.PROGRESS, newest_first)
    return [each for each in in_vain if each.result is AttemptResult.FAILED][::-1]


def _judge(attempt: AttemptRecord, after: AttemptRecord | None) -> AttemptOutcome:
    """By the first rule that applies.

    1. An attempt that committed something is progress.
    2. One in the foreground is no failure: a user saw how it ended.
    3. One that an exception ended failed.
    4. One that was signalled as its time limit was due failed: the next job has the same limit.
    5. One that left by itself, was signalled, or was requeued by SLURM was interrupted.
    6. Any other vanished, and so failed.
    """
    if _first(attempt, Event.COMMITTED):
        return AttemptOutcome(AttemptResult.PROGRESS)
    if not attempt.provenance.get("job_id"):
        return AttemptOutcome(AttemptResult.INTERRUPTED)
    if failed := _first(attempt, Event.FAILED):
        return AttemptOutcome(
            AttemptResult.FAILED, f"the last one ended with {failed.get('error')}"
        )
    if _reached_its_limit(attempt):
        return AttemptOutcome(AttemptResult.FAILED, _limit_reason(attempt))
    if _has_ended(attempt) or any(_signals(attempt)) or _was_requeued(attempt, after):
        return AttemptOutcome(AttemptResult.INTERRUPTED)
    return AttemptOutcome(
        AttemptResult.FAILED,
        "the last one vanished without a signal: killed, or out of memory? see its log",
    )


def _reached_its_limit(attempt: AttemptRecord) -> bool:
    lead_s = float(attempt.provenance.get("lead_time_s") or 0.0)
    # A signal that comes with more time left is a preemption.
    left = (signal.get("seconds_left") for signal in _signals(attempt))
    return any(seconds is not None and seconds <= lead_s + _EARLY_S for seconds in left)


def _limit_reason(attempt: AttemptRecord) -> str:
    limit_s = float(attempt.provenance.get("time_left_s") or 0.0)
    lead_s = float(attempt.provenance.get("lead_time_s") or 0.0)
    limit = (
        f"the limit is {format_minutes(limit_s)}, of which {format_minutes(lead_s)} are lead time"
    )
    stages = (event["stage"] for event in reversed(attempt.events) if event.get("stage"))
    stage = next(stages, SEARCH)
    step = "generation" if stage == SEARCH else f"step of {stage}"
    abandoned = _first(attempt, Event.ABANDONED)
    if not abandoned or not abandoned.get("seconds"):
        return f"no {step} ended before the time limit; {limit}"
    return f"one {step} takes more than {format_minutes(abandoned['seconds'])}, {limit}"


def _was_requeued(attempt: AttemptRecord, after: AttemptRecord | None) -> bool:
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
