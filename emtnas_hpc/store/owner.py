"""The record of the process that owns a run directory, and how to tell whether it lives."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from emtnas_hpc.errors import OwnedError
from emtnas_hpc.store.refusals import read_if_there, shown

_PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")

#: The start time of a process that lives but hides when it began (no /proc, or hidepid).
UNKNOWN_START = 0


@dataclass(frozen=True)
class Owner:
    """A process that takes, or took, a run directory.

    Attributes:
        token: random, unique to this start of the program.
        host: name of the machine.
        boot_id: changes whenever that machine boots.
        pid_namespace: pids are comparable within one only.
        pid: number of the process.
        started: clock ticks after boot at which it began, `UNKNOWN_START` where it is hidden.
        since: local time of the takeover, to show; ages are never computed from it.
        job_id: the SLURM job it ran in, or None.
        restart_count: how often SLURM had requeued that job.
        machine_id: unlike its name, no other machine has it; empty where there is none.
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
    """Reads an owner record; None where nobody owns the run.

    Raises:
        OwnedError: there is a record but it cannot be understood.
        StorageError: the file system refused.
    """
    text = read_if_there(path)
    if text is None:
        return None
    try:
        table = json.loads(text)
        # A later version may know more of a process.
        return Owner(**{name: table[name] for name in _FIELDS if name in table})
    except (ValueError, TypeError) as error:
        raise OwnedError(
            f"{shown(path)} is not an owner record; if no process uses the run, "
            "`emtnas-hpc run` (or `retrain`) takes it with --take-over"
        ) from error


def process_start(pid: int) -> int | None:
    """When a process of this machine began, in clock ticks after boot; None if there is none.

    A stopped process lives; a zombie, which can write nothing any more, does not.
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
        pass  # somebody else's, but alive
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


_FIELDS = tuple(field.name for field in fields(Owner))
