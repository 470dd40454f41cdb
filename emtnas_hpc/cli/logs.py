"""`logs`: what the jobs of a seed print."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.options import RunArgument, RunsOption
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.slurm.logs import LogFile, Reader
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

    A requeued job appends to its log; a spare that takes over has one of its own.
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
    for problem in reader.problems[:-1]:
        print(f"error: {problem}", file=sys.stderr)
    if reader.problems:
        raise EmtnasError(reader.problems[-1])
    if not printed:
        raise InputError(f"no job of {directory} has a log yet; `emtnas-hpc status` says why")


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
