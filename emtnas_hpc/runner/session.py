"""Opening a run: ownership, the attempt, and what is recorded of its end."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from emtnas_hpc.errors import StoppedError, SupersededError
from emtnas_hpc.runner.attempts import Attempt, Event, read_attempts
from emtnas_hpc.runner.terms import Terms
from emtnas_hpc.store.claim import Claim, take
from emtnas_hpc.store.cleaning import clean
from emtnas_hpc.store.paths import RunPaths


@dataclass(frozen=True)
class OpenRun:
    """A run directory that this process owns."""

    paths: RunPaths
    claim: Claim
    attempt: Attempt


@contextmanager
def open_run(
    paths: RunPaths,
    terms: Terms,
    *,
    provenance: Mapping[str, object],
    say: Callable[[str], None],
    take_over: bool = False,
) -> Iterator[OpenRun]:
    """Owns a run directory for the duration of a `with` block.

    Begins an attempt, unless there is one, deletes what the attempts that it supersedes left
    half-written, records an exception that ends the block (it goes on upwards), and gives the
    ownership back.

    Args:
        paths: of the run; its directory is created where it is missing.
        terms: of this process.
        provenance: plain values (JSON) for the attempt.
        say: told that an owner is being watched.
        take_over: take the run from its owner, whether it lives or not.

    Raises:
        OwnedError: another living process owns the run.
        SupersededError: another process took it from us.
        StorageError: the disk refused.
    """
    claim = take(paths, terms.me, say=say, take_over=take_over, job_is_gone=terms.job_is_gone)
    try:
        superseded = {attempt.token for attempt in read_attempts(paths) if attempt.has_owned}
        if claim.superseded:
            # It may have been killed before it had an attempt.
            superseded.add(claim.superseded.token)
        with _attempt_of(paths, terms, provenance) as attempt:
            if claim.superseded:
                attempt.event(Event.TOOK_OVER, owner=str(claim.superseded))
            clean(paths, claim, superseded)
            yield OpenRun(paths, claim, attempt)
    finally:
        claim.release()


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
    except KeyboardInterrupt:
        attempt.event(Event.STOPPED, signal="SIGINT", at_once=True)
        raise
    except Exception as error:
        attempt.event(Event.FAILED, error=last_line(error))
        raise


def last_line(error: Exception) -> str:
    """What a traceback ends in."""
    return traceback.format_exception_only(error)[-1].strip()


@contextmanager
def _attempt_of(
    paths: RunPaths, terms: Terms, provenance: Mapping[str, object]
) -> Iterator[Attempt]:
    if terms.attempt is not None:
        terms.attempt.describe({"owned": True, **provenance})
        yield terms.attempt
        return
    with Attempt(paths, terms.me.token, provenance) as attempt, end_recorded(attempt):
        yield attempt
