"""Attempts: one file a start of the program on a run, with its provenance and its events."""

import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from emtnas_hpc.checkpoint.atomic import make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths

HEARTBEAT_S = 30.0


class Event(StrEnum):
    """The kinds of events. Files hold these words: they may be added to, not changed."""

    STARTED = "started"
    RESUMED = "resumed"
    COMMITTED = "committed"
    DAMAGED = "damaged"
    TOOK_OVER = "took_over"
    SIGNAL = "signal"
    STANDBY = "spare"
    NO_GPU = "no_gpu"
    NO_GRAPHS = "no_graphs"
    GAVE_UP = "gave_up"
    FINISHED = "finished"
    STOPPED = "stopped"
    ABANDONED = "abandoned"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    LEFT = "left"


#: The events that end an attempt; those that may come after them tell of the way out only.
ENDS = frozenset(
    {
        *(Event.FINISHED, Event.STOPPED, Event.ABANDONED),
        *(Event.SUPERSEDED, Event.FAILED, Event.LEFT),
    }
)


class Attempt:
    """The file of this start: JSON lines, provenance in the first one, the others mostly events.

    Its modification time is the heartbeat. Only this process writes it; if it is killed, the last
    line may be torn.

    `provenance` are plain values (JSON), added to those that the runner knows.

    Raises:
        StorageError: the disk refused the file or its first line.
    """

    def __init__(
        self,
        paths: RunPaths,
        token: str,
        provenance: Mapping[str, object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        make_directory(paths.attempts)
        self.number = max((a.number for a in paths.find_attempts()), default=0) + 1
        self.path = paths.attempt(self.number, token)
        self._clock = clock
        self._beat_at = clock()
        self._torn = False
        with storage_errors(self.path):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
            self._descriptor = os.open(self.path, flags, 0o644)
            self._write({**_environment(), **provenance})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def describe(self, provenance: Mapping[str, object]) -> None:
        """Adds to the provenance; refusals as in `event`."""
        with suppress(OSError):
            self._write(provenance)

    def event(self, kind: str, **values: object) -> None:
        """Appends an event. One that the disk refuses is lost: the next commit will report it."""
        with suppress(OSError):
            self._write({"event": kind, "time": _now(), **values})

    def touch(self) -> None:
        """Shows that this process lives, at most every 30 s."""
        if self._clock() - self._beat_at >= HEARTBEAT_S:
            self._beat_at = self._clock()
            with suppress(OSError):
                os.utime(self._descriptor)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def _write(self, values: Mapping[str, object]) -> None:
        # After a torn line, this one begins on a new line.
        line = b"\n" * self._torn + json.dumps(values).encode() + b"\n"
        self._torn = True
        self._torn = os.write(self._descriptor, line) < len(line)


@dataclass(frozen=True)
class AttemptRecord:
    """An attempt as it is read; torn lines are missing.

    The heartbeat is the modification time in seconds, by the clock of the file's server.
    """

    number: int
    token: str
    path: Path
    provenance: dict[str, Any]
    events: list[dict[str, Any]]
    heartbeat: float

    @property
    def has_owned(self) -> bool:
        """Whether it ever owned the run; attempts of the foreground are begun by the owner."""
        return bool(self.provenance.get("owned", True))


def read_attempts(paths: RunPaths) -> list[AttemptRecord]:
    """Reads all attempts of a run, oldest first; lines that were torn are left out.

    Raises:
        StorageError: the disk refused.
    """
    attempts = []
    for found in paths.find_attempts():
        with storage_errors(found.path, "read"):
            heartbeat = found.path.stat().st_mtime
            lines = [parse_line(line) for line in found.path.read_bytes().splitlines()]
        provenance: dict[str, Any] = {}
        for line in lines:
            if "event" not in line:
                provenance |= line
        attempts.append(
            AttemptRecord(
                found.number,
                found.token,
                found.path,
                provenance,
                events=[line for line in lines if "event" in line],
                heartbeat=heartbeat,
            )
        )
    return attempts


def parse_line(line: bytes) -> dict[str, Any]:
    """The values of a line of an attempt; empty for one that was torn."""
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _environment() -> dict[str, object]:
    return {
        "time": _now(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "argv": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


#: Equal bits are promised where all of these are equal.
CONDITIONS = (
    *("device_model", "cpu_capability", "torch", "numpy", "threads"),
    *("precision", "depthwise", "pointwise", "evaluation_chunks"),
)
#: The conditions of an attempt on CUDA that does not record them: its version had no others.
_CUDA_UNSAID = {
    "precision": "tf32 in convolutions only",
    "depthwise": "cudnn",
    "pointwise": "cudnn",
}


def with_commits(
    attempts: Iterable[AttemptRecord], stage: str | None = None
) -> tuple[AttemptRecord, ...]:
    """The attempts that committed something of a stage; of any, where none is named."""

    def commits(event: Mapping[str, Any]) -> bool:
        return event["event"] == Event.COMMITTED and stage in (None, event.get("stage"))

    return tuple(attempt for attempt in attempts if any(map(commits, attempt.events)))


def condition_changes(attempts: Iterable[AttemptRecord], stage: str = SEARCH) -> tuple[str, ...]:
    """The changes between attempts that committed something of a stage, each as `torch 2 -> 3`."""
    provenances = [attempt.provenance for attempt in with_commits(attempts, stage)]
    return tuple(change for pair in pairwise(provenances) for change in _changes(*pair))


def changes_since(
    attempts: Iterable[AttemptRecord], provenance: Mapping[str, Any], stage: str = SEARCH
) -> tuple[str, ...]:
    """The changes since the last attempt that committed something of a stage."""
    before = with_commits(attempts, stage)
    return _changes(before[-1].provenance, provenance) if before else ()


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The conditions that differ; one that an older version did not record is passed over."""
    before, after = (_with_unsaid(provenance) for provenance in (before, after))
    return tuple(
        f"{name} {before[name]} -> {after[name]}"
        for name in CONDITIONS
        if name in before and name in after and before[name] != after[name]
    )


def _with_unsaid(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    on_cuda = str(provenance.get("device", "")).startswith("cuda")
    return {**_CUDA_UNSAID, **provenance} if on_cuda else provenance
