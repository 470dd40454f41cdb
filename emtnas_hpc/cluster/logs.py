"""The logs of a seed's jobs: one folder a job, in which requeues append to the same files."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.cluster.records import JobRecord, read_records
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import storage_errors

_PATTERNS = ("*_log.out", "*_log.err")


@dataclass(frozen=True)
class LogFile:
    """A file that a job writes to."""

    record: JobRecord
    path: Path


def find_logs(run: RunPaths) -> list[LogFile]:
    """All log files of a run that there are, those of the oldest job first."""
    jobs = run.jobs
    return [
        LogFile(record, path)
        for record in read_records(jobs)
        if record.job_id
        for pattern in _PATTERNS
        for path in sorted(jobs.logs(record.job_id).glob(pattern))
    ]


class Reader:
    """Reads the logs of a run on from where it was, also when further files have come.

    Args:
        run: whose jobs.
        newest_only: leave out what other jobs than the newest have written so far.
    """

    def __init__(self, run: RunPaths, *, newest_only: bool = False) -> None:
        self._run = run
        self._decoders: dict[Path, codecs.IncrementalDecoder] = {}
        self._read: dict[Path, int] = {}
        if newest_only:
            self._skip_all_but_the_newest_job()

    def read(self) -> Iterator[tuple[LogFile, str]]:
        """What is new, file by file; a file without news is left out."""
        for log in find_logs(self._run):
            if text := self._news(log.path):
                yield log, text

    def _news(self, path: Path) -> str:
        decoder = self._decoders.setdefault(path, codecs.getincrementaldecoder("utf-8")("replace"))
        with storage_errors(path, "read"), path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        self._read[path] = self._read.get(path, 0) + len(data)
        return decoder.decode(data)

    def _skip_all_but_the_newest_job(self) -> None:
        logs = [log for log in find_logs(self._run) if log.path.stat().st_size]
        for log in logs:
            if log.record != logs[-1].record:
                self._read[log.path] = log.path.stat().st_size
