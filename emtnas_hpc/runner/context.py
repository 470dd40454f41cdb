"""The process side of a run: its context, opening the run directory, recording its end, logging."""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from emtnas_hpc.checkpoint.commits import remove_stale
from emtnas_hpc.checkpoint.ownership import JobIsGone, Lease, Owner, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import StartOverError, StoppedError, SupersededError
from emtnas_hpc.runner.attempts import Attempt, Event, read_attempts
from emtnas_hpc.runner.signals import StopRequest


class Reason(StrEnum):
    """Why an attempt stops without a signal. Attempts hold these words."""

    TIME_LIMIT = "deadline"
    CANCELLED = "cancelled"


#: Is called when a phase begins, with its name and the task that it concerns ("" for all).
PhaseListener = Callable[[str, str], None]
#: Gets the seconds that the next step and its commit will take; the reason to stop before it.
ReasonToStop = Callable[[float], Reason | None]


def no_reason(_next_s: float) -> None:
    """No time limit, and no flag that cancels the run."""


@dataclass(frozen=True)
class Progress:
    """A step that has just ended, with its number from 1, and the readings of its stage."""

    step: int
    n_steps: int
    seconds: float
    readings: Mapping[str, object]


@dataclass(frozen=True)
class Callbacks:
    """What a stage calls while it runs: after every step, and when a phase of a step begins."""

    progress: Callable[[Progress], None] = lambda _progress: None
    phase: PhaseListener = lambda _phase, _task: None


@dataclass(frozen=True)
class RunContext:
    """The process that continues a run; the defaults are those of the foreground.

    Attributes:
        stop: is looked at between batches and between steps.
        me: the record that this process leaves as the owner.
        attempt: one that has begun, and that the caller ends; None begins one with the ownership.
        job_is_gone: asks the queue about the job of an owner.
        grace_s: seconds that a step may go on after a stop request; None: those of the settings.
        reason_to_stop: is asked between two steps.
    """

    stop: StopRequest = field(default_factory=StopRequest)
    callbacks: Callbacks = Callbacks()
    me: Owner = field(default_factory=this_process)
    attempt: Attempt | None = None
    job_is_gone: JobIsGone | None = None
    grace_s: float | None = None
    reason_to_stop: ReasonToStop = no_reason


@dataclass(frozen=True)
class OpenRun:
    """A run directory that this process owns."""

    paths: RunPaths
    lease: Lease
    attempt: Attempt


@contextmanager
def open_run(
    paths: RunPaths,
    context: RunContext,
    *,
    provenance: Mapping[str, object],
    take_over: bool = False,
) -> Iterator[OpenRun]:
    """Owns a run directory for the duration of a `with` block.

    Begins an attempt, unless there is one, deletes half-written files of the attempts that it
    supersedes, records an exception that ends the block (it goes on upwards), and releases the
    ownership.

    `provenance` are plain values (JSON); `take_over` takes the run from a living owner.

    Raises:
        OwnedError: another living process owns the run.
        SupersededError: another process took it from us.
        StorageError: the disk refused.
    """
    with acquire(paths, context.me, take_over=take_over, job_is_gone=context.job_is_gone) as lease:
        superseded = {attempt.token for attempt in read_attempts(paths) if attempt.has_owned}
        if lease.superseded:
            # It may have been killed before it had an attempt.
            superseded.add(lease.superseded.token)
        with _attempt_of(paths, context, provenance) as attempt:
            if lease.superseded:
                attempt.event(Event.TOOK_OVER, owner=str(lease.superseded))
            remove_stale(paths, lease, superseded)
            yield OpenRun(paths, lease, attempt)


@contextmanager
def end_recorded(attempt: Attempt) -> Iterator[None]:
    """Records an exception that ends the block; it goes on upwards."""
    try:
        yield
    except SupersededError:
        attempt.event(Event.SUPERSEDED)
        raise
    except StoppedError as error:
        attempt.event(Event.STOPPED, signal=error.signal)
        raise
    except StartOverError as error:
        attempt.event(Event.STOPPED, reason=error.reason)
        raise
    except KeyboardInterrupt:
        attempt.event(Event.STOPPED, signal="SIGINT", at_once=True)
        raise
    except Exception as error:
        last_line = traceback.format_exception_only(error)[-1].strip()
        attempt.event(Event.FAILED, error=last_line)
        raise


@contextmanager
def _attempt_of(
    paths: RunPaths, context: RunContext, provenance: Mapping[str, object]
) -> Iterator[Attempt]:
    if context.attempt is not None:
        context.attempt.describe({"owned": True, **provenance})
        yield context.attempt
        return
    with Attempt(paths, context.me.token, provenance) as attempt, end_recorded(attempt):
        yield attempt


class _LineHandler(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        # An error of `write` goes upwards: a reader that left ends a command.
        self._write(record.getMessage())


@contextmanager
def log_to(write: Callable[[str], None]) -> Iterator[None]:
    """Within the block all that this package logs goes to `write`, line by line.

    Without it Python prints warnings on stderr and drops the rest, which suits a notebook.
    """
    logger = logging.getLogger("emtnas_hpc")
    before = logger.handlers, logger.level
    logger.handlers = [_LineHandler(write)]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers = before[0]
        logger.setLevel(before[1])


@contextmanager
def log_once() -> Iterator[None]:
    """Within the block a line that has been logged is not logged again."""
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        known = record.getMessage() in seen
        seen.add(record.getMessage())
        return not known

    handlers = list(logging.getLogger("emtnas_hpc").handlers)
    for handler in handlers:
        handler.addFilter(is_new)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_new)
