"""Opening a run: ownership, the attempt, and what is recorded of its end."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from emtnas_hpc.errors import StoppedError, SupersededError
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.store.claim import Claim, take
from emtnas_hpc.store.cleaning import clean
from emtnas_hpc.store.owner import Owner
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.takeover import JobIsGone


@dataclass(frozen=True)
class OpenRun:
    """A run directory that this process owns."""

    paths: RunPaths
    claim: Claim
    attempt: Attempt


@contextmanager
def open_run(
    paths: RunPaths,
    me: Owner,
    *,
    provenance: Mapping[str, object],
    say: Callable[[str], None],
    take_over: bool = False,
    job_is_gone: JobIsGone | None = None,
) -> Iterator[OpenRun]:
    """Owns a run directory for the duration of a `with` block.

    Opens an attempt, deletes what the attempts that it supersedes left half-written, records an
    exception that ends the block (it goes on upwards), and gives the ownership back.

    Args:
        paths: of the run; its directory is created where it is missing.
        me: this process, `this_process()`.
        provenance: plain values (JSON) for the first line of the attempt.
        say: told that an owner is being watched.
        take_over: take the run from its owner, whether it lives or not.
        job_is_gone: asks the queue about the owner's job.

    Raises:
        OwnedError: another living process owns the run.
        SupersededError: another process took it from us.
        StorageError: the disk refused.
    """
    claim = take(
        paths,
        me,
        say=say,
        take_over=take_over,
        job_is_gone=job_is_gone,
    )
    try:
        superseded = {attempt.token for attempt in paths.find_attempts()}
        if claim.superseded:
            # It may have been killed before it had an attempt.
            superseded.add(claim.superseded.token)
        attempt = Attempt(paths, me.token, provenance)
        try:
            with _end_recorded(attempt):
                if claim.superseded:
                    attempt.event("took_over", owner=str(claim.superseded))
                clean(paths, claim, superseded)
                yield OpenRun(paths, claim, attempt)
        finally:
            attempt.close()
    finally:
        claim.release()


@contextmanager
def _end_recorded(attempt: Attempt) -> Iterator[None]:
    try:
        yield
    except SupersededError:
        attempt.event("superseded")
        raise
    except StoppedError as error:
        attempt.event("stopped", signal=error.signal)
        raise
    except KeyboardInterrupt:
        attempt.event("stopped", signal="SIGINT", at_once=True)
        raise
    except Exception as error:
        last_line = traceback.format_exception_only(error)[-1].strip()
        attempt.event("failed", error=last_line)
        raise
