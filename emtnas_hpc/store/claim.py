"""Taking a run directory, and noticing that somebody else has taken it."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.errors import EmtnasError, OwnedError, SupersededError
from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.owner import Owner, read_owner
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import shown
from emtnas_hpc.store.takeover import JobIsGone, Verdict, judge, observe

#: Six heartbeats, and longer than a network file system caches attributes.
WATCH_S = 180.0
_LOOK_EVERY_S = 5.0


@dataclass(frozen=True)
class Claim:
    """The right of one process to write to a run directory, as long as its record stands.

    Attributes:
        superseded: the owner that it was taken from, None if there was none.
    """

    paths: RunPaths
    me: Owner
    superseded: Owner | None = None

    @property
    def token(self) -> str:
        """The token of this process."""
        return self.me.token

    def check(self) -> None:
        """Re-reads the owner record; called before every rename and every deletion.

        Raises:
            SupersededError: the record is not ours any more; leave without writing.
        """
        standing = _understood(self.paths.owner)
        if standing is None or standing.token != self.token:
            raise SupersededError(
                f"{shown(self.paths.directory)} was taken over by "
                f"{standing or 'somebody who left no record'}; leaving without writing"
            )

    def release(self) -> None:
        """Removes the record if it is still ours.

        A disk that refuses is no reason to fail: the record of a dead process stops nobody.
        """
        with suppress(EmtnasError, OSError):
            self.check()
            # Somebody may take the run right now: what was moved tells whose record it was.
            aside = self.paths.outgoing_owner(self.token)
            self.paths.owner.rename(aside)
            moved = _understood(aside)
            if moved and moved.token == self.token:
                aside.unlink()
            else:
                aside.rename(self.paths.owner)


def take(
    paths: RunPaths,
    me: Owner,
    *,
    say: Callable[[str], None],
    take_over: bool = False,
    job_is_gone: JobIsGone | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Claim:
    """Makes `me` the owner of a run directory, which is created where it is missing.

    Of two processes that replace the record at the same time, the one whose record stands owns the
    run; the other notices at its next check, at the latest before its first commit.

    Args:
        paths: of the run.
        me: the record to leave.
        say: is told, in one line, that the owner is being watched.
        take_over: take the run from its owner, whether it lives or not.
        job_is_gone: asks the queue about the owner's job.
        clock: seconds, to watch by.
        sleep: waits for seconds.

    Raises:
        OwnedError: another living process owns the run.
        SupersededError: another process took it at the same moment.
        StorageError: the disk refused.
    """
    make_directory(paths.directory)
    while True:
        owner = _standing(paths, take_over)
        if owner is not None and not take_over:
            verdict = judge(owner, me, observe(owner, job_is_gone))
            if verdict is Verdict.WATCH:
                verdict = _watch(paths, owner, say, clock, sleep)
            if verdict is Verdict.REFUSE:
                raise _owned(paths, owner)
        # The judgement may have taken minutes: it holds only for the record it was made about.
        if _standing(paths, take_over) == owner:
            return _stake(Claim(paths, me, owner))


def _stake(claim: Claim) -> Claim:
    try:
        write_file(claim.paths.owner, claim.me.to_text(), claim.token)
        claim.check()
    except EmtnasError:
        claim.release()
        raise
    return claim


def _understood(record: Path) -> Owner | None:
    try:
        return read_owner(record)
    except OwnedError:
        return None


def _standing(paths: RunPaths, take_over: bool) -> Owner | None:
    return _understood(paths.owner) if take_over else read_owner(paths.owner)


def _owned(paths: RunPaths, owner: Owner) -> OwnedError:
    return OwnedError(
        f"{shown(paths.directory)} is owned by {owner}; "
        "wait for it, stop it, or, if it is dead, pass --take-over to `run` or `retrain`"
    )


def _watch(
    paths: RunPaths,
    owner: Owner,
    say: Callable[[str], None],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Verdict:
    say(
        f"{shown(paths.directory)} was taken by {owner}, which cannot be seen from here; "
        f"watching its heartbeat for {WATCH_S:.0f} s"
    )
    first = _heartbeat(paths, owner)
    end = clock() + WATCH_S
    while clock() < end:
        sleep(_LOOK_EVERY_S)
        if _heartbeat(paths, owner) != first:
            return Verdict.REFUSE
    return Verdict.TAKE


def _heartbeat(paths: RunPaths, owner: Owner) -> tuple[int, int] | None:
    """(mtime, size) of the owner's attempt, from an open file: NFS looks at the server for that."""
    for attempt in paths.find_attempts():
        if attempt.token == owner.token:
            with suppress(FileNotFoundError), attempt.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                return stat.st_mtime_ns, stat.st_size
    return None
