"""The logs of a seed's jobs: one folder a job, in which requeues append to the same files."""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.cluster.records import JobRecord, read_readable_records
from emtnas_hpc.errors import StorageError
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import names_in, storage_errors

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
        StorageError: nobody can tell which jobs there are.
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
