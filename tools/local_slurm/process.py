"""Daemons as processes of which a record exists from their first moment to their last."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_slurm.interruption import held_back

#: The shell writes down who it is, and becomes the daemon: there is no moment between the two.
_RECORD_AND_BECOME = 'read -r stat < /proc/$$/stat; echo "$stat" > "$0" && exec "$@"'
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Process:
    """A process by its id and the clock tick in which it began; ids are given out again."""

    pid: int
    started: int

    def lives(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return process_at(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # Only now is the id known to be, and to stay, the one that was meant.
            if self.lives():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def process_at(pid: int) -> Process | None:
    """The process that has this id now."""
    try:
        return _parse(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError):
        return None


def session(leader: int) -> list[Process]:
    """The processes that began in the session of that leader and still live."""
    return [process for process, of in map(_with_session, pids()) if process and of == leader]


def pids() -> Iterator[int]:
    """The ids of all processes of this machine."""
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def recorded(record: Path) -> Process | None:
    """The process of a record, if it still lives."""
    try:
        process = _parse(record.read_text())
    except (OSError, ValueError):
        return None
    return process if process and process.lives() else None


def start(
    command: Iterable[str], record: Path, log: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Starts a daemon in a session of its own; it is on record before this returns or raises."""
    with held_back(), log.open("ab") as file:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _RECORD_AND_BECOME, str(record), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
        )
        while process.poll() is None and not _is_of(record, process.pid):
            time.sleep(0.005)
    return process


def _is_of(record: Path, pid: int) -> bool:
    found = recorded(record)
    return found is not None and found.pid == pid


def end(processes: Iterable[Process], patience_s: float) -> None:
    """Ends processes: asked politely, waited for, and killed at last."""
    processes = list(processes)
    for process in processes:
        process.send(signal.SIGTERM)
        # One that was stopped would never hear of it.
        process.send(signal.SIGCONT)
    if not _gone(processes, patience_s):
        kill(processes)


def kill(processes: Iterable[Process]) -> None:
    """Ends processes without asking, and waits until they are gone."""
    processes = list(processes)
    for process in processes:
        process.send(signal.SIGKILL)
    _gone(processes, _PATIENCE_S)


def _gone(processes: Iterable[Process], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while any(process.lives() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _with_session(pid: int) -> tuple[Process | None, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None, 0
    return _parse(stat), int(stat.rpartition(")")[2].split()[3])


def _parse(stat: str) -> Process | None:
    # The program's name comes second, in brackets, and may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else Process(int(stat.split()[0]), int(fields[18]))
