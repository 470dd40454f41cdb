"""`logs`: what the jobs of a seed print."""

import codecs
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from emtnas_hpc.checkpoint.os_errors import names_in, storage_errors
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.console import raise_last
from emtnas_hpc.cli.options import RunArgument, RunsOption
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.errors import EmtnasError, InputError, StorageError
from emtnas_hpc.slurm.job_files import JobRecord, read_readable_records
from emtnas_hpc.slurm.status import read_status_table


def logs(
    run: RunArgument,
    runs: RunsOption = Path("runs"),
    all_: Annotated[
        bool, typer.Option("--all", help="The logs of all its jobs, oldest first.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on, from job to job, until the seed is at its end.")
    ] = False,
) -> None:
    """Print the log of a seed's newest job.

    A requeued job appends to its log; a standby job that takes over has one of its own.
    """
    directory = find_run(run, runs)
    paths = RunPaths(directory)
    if not paths.jobs.records():
        raise InputError(
            f"{directory} has no jobs: a search in the foreground prints where it was started"
        )
    reader = Reader(paths, newest_only=not all_)
    if follow:
        with suppress(KeyboardInterrupt):  # the way out of it
            _follow(directory, reader)
        return
    printed = _Printer(reader).print_news()
    raise_last(list(map(EmtnasError, reader.problems)))
    if not printed:
        raise InputError(f"no job of {directory} has a log yet; `emtnas-hpc status` says why")


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


_LOOK_EVERY_S = 1.0
#: Looks without news after which the queue is asked whether more will come.
_PATIENCE = 20


def _follow(directory: Path, reader: Reader) -> None:
    """Prints what the jobs write until none is at work on the run any more."""
    printer, n_told, n_silent = _Printer(reader), 0, 0
    while True:
        n_silent = 0 if printer.print_news() else n_silent + 1
        for problem in reader.problems[n_told:]:
            print(f"error: {problem}", file=sys.stderr, flush=True)
        n_told = len(reader.problems)
        if n_silent >= _PATIENCE:
            if not _moves(directory):
                printer.print_news()
                return
            n_silent = 0
        time.sleep(_LOOK_EVERY_S)


def _moves(directory: Path) -> bool:
    table = read_status_table([directory])
    if not table.moves:
        status = table.seeds[0].status
        reason = f": {status.reason}" if status.reason else ""
        print(f"{directory} is {status.state.value}{reason}", file=sys.stderr)
    return table.moves


class _Printer:
    """Prints news, and a heading wherever another file goes on."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._shown: Path | None = None
        self._ended = True

    def print_news(self) -> bool:
        """Prints what is new; returns whether anything was."""
        any_news = False
        for log, text in self._reader.read():
            any_news = True
            if log.path != self._shown:
                self._print_heading(log)
            sys.stdout.write(text)
            self._ended = text.endswith("\n")
        sys.stdout.flush()
        return any_news

    def _print_heading(self, log: LogFile) -> None:
        if self._shown is not None:
            sys.stdout.write("\n" if self._ended else "\n\n")
        self._shown = log.path
        print(f"==> job {log.record.job_id}: {log.path} <==")
