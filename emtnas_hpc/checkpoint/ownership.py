"""The lease of a run directory: one process takes it, and notices when another takes it over."""

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Self

from emtnas_hpc.checkpoint.atomic import make_directory, write_file
from emtnas_hpc.checkpoint.os_errors import read_if_there
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import EmtnasError, OwnedError, SupersededError, shown

log = logging.getLogger(__name__)

_PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")

#: The start time of a living process for which it cannot be read (no /proc, or hidepid).
UNKNOWN_START = 0


@dataclass(frozen=True)
class Owner:
    """The record of a process that takes, or took, a run directory.

    Attributes:
        token: random, unique to this start of the program.
        boot_id: changes whenever the machine boots.
        pid_namespace: pids are comparable within one only.
        started: clock ticks after boot, or `UNKNOWN_START`.
        since: local time of the takeover, to show; ages are never computed from it.
        job_id: of its SLURM job, or None.
        restart_count: how often SLURM had requeued that job.
        machine_id: unlike the host's name unique; empty where there is none.
    """

    token: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int
    since: str
    job_id: str | None = None
    restart_count: int = 0
    machine_id: str = ""

    def __str__(self) -> str:
        job = f" (job {self.job_id})" if self.job_id else ""
        return f"process {self.pid} on {self.host}{job} since {self.since}"

    def to_text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def this_process(*, job_id: str | None = None, restart_count: int = 0) -> Owner:
    """Describes the calling process under a new random token."""
    pid = os.getpid()
    return Owner(
        token=secrets.token_hex(6),
        host=socket.gethostname(),
        boot_id=_text_of(_PROC / "sys/kernel/random/boot_id"),
        pid_namespace=_pid_namespace(),
        pid=pid,
        started=process_start(pid) or UNKNOWN_START,
        since=datetime.now().astimezone().isoformat(timespec="seconds"),
        job_id=job_id,
        restart_count=restart_count,
        machine_id=_text_of(_MACHINE_ID),
    )


def read_owner(path: Path) -> Owner | None:
    """Reads an owner record; None where no process owns the run.

    Raises:
        OwnedError: it cannot be understood.
        StorageError: the file system refused.
    """
    text = read_if_there(path)
    if text is None:
        return None
    try:
        table = json.loads(text)
        # A later version may record more of a process.
        known = (field.name for field in fields(Owner))
        return Owner(**{name: table[name] for name in known if name in table})
    except (ValueError, TypeError) as error:
        raise OwnedError(
            f"{shown(path)} is not an owner record; if no process uses the run, "
            "`emtnas-hpc run` (or `retrain`) takes it with --take-over"
        ) from error


def process_start(pid: int) -> int | None:
    """When a process of this machine began, in clock ticks after boot; None if there is none.

    A stopped process is alive; a zombie, which cannot write any more, is not.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return UNKNOWN_START if _answers(pid) else None
    # The name of the program comes second, in brackets, and may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's, but alive
    return True


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


#: Answers for a job id: True = it has left the queue, False = it has not, None = cannot say.
JobIsGone = Callable[[str], bool | None]


class Verdict(Enum):
    """The answer of `judge_takeover` to a starting process that finds an owner."""

    TAKE = "take the run over"
    WATCH = "watch whether the owner shows a sign of life"
    REFUSE = "leave the run to its owner"


@dataclass(frozen=True)
class OwnerFacts:
    """The observable facts about an owner at one moment.

    Attributes:
        process_start: of the process that has the owner's pid on THIS machine, None if none has.
        job_is_gone: whether its job has left the queue, None where that cannot be asked.
    """

    process_start: int | None = None
    job_is_gone: bool | None = None


def observe_owner(owner: Owner, job_is_gone: JobIsGone | None = None) -> OwnerFacts:
    """Looks at the owner's process and job."""
    gone = job_is_gone(owner.job_id) if job_is_gone and owner.job_id else None
    return OwnerFacts(process_start(owner.pid), gone)


def judge_takeover(owner: Owner, me: Owner, facts: OwnerFacts) -> Verdict:
    """Decides from the two records and the facts, by the first rule that applies.

    1. The same job, requeued: the later start of it owns the run.
    2. The old job has left the queue: dead.
    3. The same machine, rebooted since: dead. Names are not enough: many a machine is `localhost`.
    4. The same machine and boot, pids comparable: alive if a process has that pid and start time.
    5. The old job is in the queue, be it suspended: alive.
    6. Otherwise only its heartbeat can tell.
    """
    if owner.job_id and owner.job_id == me.job_id and owner.restart_count != me.restart_count:
        return Verdict.TAKE if me.restart_count > owner.restart_count else Verdict.REFUSE
    if facts.job_is_gone:
        return Verdict.TAKE
    if owner.host == me.host:
        if owner.boot_id != me.boot_id:
            if owner.machine_id and owner.machine_id == me.machine_id:
                return Verdict.TAKE
        elif owner.pid_namespace == me.pid_namespace:
            alive = facts.process_start in (owner.started, UNKNOWN_START)
            return Verdict.REFUSE if alive else Verdict.TAKE
    return Verdict.WATCH if facts.job_is_gone is None else Verdict.REFUSE


#: Six heartbeats, and longer than a network file system caches attributes.
WATCH_S = 180.0
_LOOK_EVERY_S = 5.0


@dataclass(frozen=True)
class Lease:
    """The right of one process to write to a run directory, as long as its record stands.

    A `with` block releases it in the end.

    Attributes:
        superseded: the owner before, None if there was none.
    """

    paths: RunPaths
    me: Owner
    superseded: Owner | None = None

    @property
    def token(self) -> str:
        """Of this process."""
        return self.me.token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def check(self) -> None:
        """Re-reads the owner record; called before every rename and every deletion.

        Raises:
            SupersededError: the record is not ours any more; leave without writing.
        """
        standing = _read_or_none(self.paths.owner)
        if standing is None or standing.token != self.token:
            raise SupersededError(
                f"{shown(self.paths.directory)} was taken over by "
                f"{standing or 'a process that left no record'}; leaving without writing"
            )

    def release(self) -> None:
        """Removes the record if it is still ours.

        A refusal of the disk is no error here: the record of a dead process stops no other.
        """
        with suppress(EmtnasError, OSError):
            self.check()
            # Another process may take the run right now: the moved record tells whose it was.
            aside = self.paths.outgoing_owner(self.token)
            self.paths.owner.rename(aside)
            moved = _read_or_none(aside)
            if moved and moved.token == self.token:
                aside.unlink()
            else:
                aside.rename(self.paths.owner)


def acquire(
    paths: RunPaths,
    me: Owner,
    *,
    take_over: bool = False,
    job_is_gone: JobIsGone | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Lease:
    """Makes `me` the owner of a run directory, which is created where it is missing.

    Of two processes that replace the record at the same time, the one whose record stands owns the
    run; the other notices at its next check, at the latest before its first commit.

    Args:
        paths: of the run.
        me: the record to leave.
        take_over: take the run from its owner, alive or not.
        job_is_gone: asks the queue about the owner's job.
        clock: seconds, to watch by.
        sleep: waits for seconds.

    Raises:
        OwnedError: another living process owns the run.
        SupersededError: another process took it at the same moment.
        StorageError: the disk refused.
    """
    make_directory(paths.directory)
    # A record that cannot be understood is refused, unless the run is taken in any case.
    read = _read_or_none if take_over else read_owner
    while True:
        owner = read(paths.owner)
        if owner is not None and not take_over:
            verdict = judge_takeover(owner, me, observe_owner(owner, job_is_gone))
            if verdict is Verdict.WATCH:
                verdict = _watch(paths, owner, clock, sleep)
            if verdict is Verdict.REFUSE:
                raise OwnedError(
                    f"{shown(paths.directory)} is owned by {owner}; "
                    "wait for it, stop it, or, if it is dead, pass --take-over to `run` or "
                    "`retrain`"
                )
        # The judgement may have taken minutes: it holds only for the record it was made about.
        if read(paths.owner) == owner:
            break
    lease = Lease(paths, me, owner)
    try:
        write_file(paths.owner, me.to_text(), me.token)
        lease.check()
    except EmtnasError:
        lease.release()
        raise
    return lease


def _read_or_none(record: Path) -> Owner | None:
    try:
        return read_owner(record)
    except OwnedError:
        return None


def _watch(
    paths: RunPaths,
    owner: Owner,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Verdict:
    log.info(
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
    """(mtime, size) of the owner's attempt."""
    for attempt in paths.find_attempts():
        if attempt.token == owner.token:
            # From an open file: NFS asks the server then, and not its cache.
            with suppress(FileNotFoundError), attempt.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                return stat.st_mtime_ns, stat.st_size
    return None
