"""What jobs print: their log lines, and where their logs are."""

import codecs
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from emtnas_hpc.checkpoint.os_errors import names_in, storage_errors
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import StorageError
from emtnas_hpc.runner.loop import Progress
from emtnas_hpc.search.session import Callbacks
from emtnas_hpc.slurm.jobs import JobRecord, read_readable_records

T = TypeVar("T")

_ENDS = ("_log.out", "_log.err")


@dataclass(frozen=True)
class LogFile:
    """A file that a job writes to."""

    record: JobRecord
    path: Path


def find_logs(run: RunPaths, unreadable: Callable[[str], None]) -> list[LogFile]:
    """All log files of a run that there are, those of the oldest job first.

    Args:
        run: whose jobs.
        unreadable: told in single lines what cannot be read.

    Raises:
        StorageError: the folder of the records cannot be listed.
    """
    records, problems = read_readable_records(run.jobs)
    for problem in problems:
        unreadable(problem)
    found = []
    for record in (record for record in records if record.job_id):
        folder = run.jobs.logs(record.job_id or "")
        try:
            names = sorted(names_in(folder))
        except StorageError as error:
            unreadable(str(error))
            continue
        ours = (name for end in _ENDS for name in names if name.endswith(end))
        found += [LogFile(record, folder / name) for name in ours]
    return found


class Reader:
    """Reads the logs of a run on from where it was, also when further files have come.

    Args:
        run: whose jobs.
        newest_only: leave out what other jobs than the newest have written so far.

    Attributes:
        problems: what could not be read so far, in single lines, each once.
    """

    def __init__(self, run: RunPaths, *, newest_only: bool = False) -> None:
        self._run = run
        self._decoders: dict[Path, codecs.IncrementalDecoder] = {}
        self._read: dict[Path, int] = {}
        self.problems: list[str] = []
        if newest_only:
            self._skip_all_but_the_newest_job()

    def read(self) -> Iterator[tuple[LogFile, str]]:
        """What is new, file by file; a file without news is left out."""
        for log in find_logs(self._run, self._note):
            if text := self._unless(self._news, log.path, ""):
                yield log, text

    def _unless(self, read: Callable[[Path], T], path: Path, otherwise: T) -> T:
        try:
            return read(path)
        except StorageError as error:
            self._note(str(error))
            return otherwise

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _news(self, path: Path) -> str:
        decoder = self._decoders.setdefault(path, codecs.getincrementaldecoder("utf-8")("replace"))
        with storage_errors(path, "read"), path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        self._read[path] = self._read.get(path, 0) + len(data)
        return decoder.decode(data)

    def _skip_all_but_the_newest_job(self) -> None:
        logs = [(log, self._unless(_size, log.path, 0)) for log in find_logs(self._run, self._note)]
        written = [(log, size) for log, size in logs if size]
        for log, size in written:
            if log.record != written[-1][0].record:
                self._read[log.path] = size


def _size(path: Path) -> int:
    with storage_errors(path, "read"):
        return path.stat().st_size


_STDOUT = 1


def print_line(message: str) -> None:
    """Prints a line with its time; a signal handler may do so in the middle of another one."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(message.split())}\n"
    with suppress(OSError):
        os.write(_STDOUT, line.encode())


def log_callbacks() -> Callbacks:
    """Print a line a step."""
    return Callbacks(_print_progress, lambda _phase, _task: None)


def _print_progress(progress: Progress) -> None:
    what, news = _news(progress.readings)
    print_line(f"{what} {progress.step}/{progress.n_steps}, {progress.seconds:.1f} s: {news}")


def _news(summary: Mapping[str, Any]) -> tuple[str, str]:
    """What the steps are called, and what is new after one."""
    if "retraining" in summary:
        accuracy = _percent({"accuracy": summary["accuracy"], "test": summary["test_accuracy"]})
        news = "diverged" if summary.get("diverged") else accuracy
        return f"{summary['retraining']}: epoch {summary['epoch']}, step", news
    tasks: Mapping[str, Any] = summary["tasks"]
    each = (f"{name} {_fitness(task)}" for name, task in tasks.items())
    return "generation", "; ".join(each)


def _fitness(task: Mapping[str, Any]) -> str:
    if task["loss"] is None:
        return "diverged"
    return _percent({"fitness": task["fitness"], "true": task["true_fitness"]})


def _percent(values: Mapping[str, float | None]) -> str:
    """Nothing is said of what was not measured, or is no number."""
    known = (f"{name} {100 * value:.2f}" for name, value in values.items() if value is not None)
    return ", ".join(known)
