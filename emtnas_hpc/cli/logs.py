"""`logs`: what the jobs of a seed print."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.options import RunArgument, RunsOption
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
    from emtnas_hpc.cli.runs import find_run

    directory = find_run(run, runs)
    if follow:
        follow_logs(directory, newest_only=not all_)
    else:
        print_logs(directory, newest_only=not all_)


_LOOK_EVERY_S = 1.0
#: Looks without news after which the queue is asked whether more will come.
_PATIENCE = 20


def print_logs(directory: Path, *, newest_only: bool) -> None:
    """Prints what the jobs of a run have written so far.

    Raises:
        InputError: the run has no jobs, or none that has written.
        EmtnasError: a log cannot be read; all others have been printed.
    """
    reader = Reader(_with_jobs(directory), newest_only=newest_only)
    printed = _Printer(reader).print_news()
    for problem in reader.problems[:-1]:
        print(f"error: {problem}", file=sys.stderr)
    if reader.problems:
        raise EmtnasError(reader.problems[-1])
    if not printed:
        raise InputError(f"no job of {directory} has a log yet; `emtnas-hpc status` says why")


def follow_logs(
    directory: Path,
    *,
    newest_only: bool,
    look_every_s: float = _LOOK_EVERY_S,
    patience: int = _PATIENCE,
) -> None:
    """Prints what they write until nothing carries the run any more, or until Ctrl-C.

    Raises:
        InputError: the run has no jobs.
    """
    reader = Reader(_with_jobs(directory), newest_only=newest_only)
    printer, n_told = _Printer(reader), 0
    silent = 0
    try:
        while True:
            silent = 0 if printer.print_news() else silent + 1
            for problem in reader.problems[n_told:]:
                print(f"error: {problem}", file=sys.stderr, flush=True)
            n_told = len(reader.problems)
            if silent >= patience:
                if not _moves(directory):
                    printer.print_news()
                    return
                silent = 0
            time.sleep(look_every_s)
    except KeyboardInterrupt:
        return  # the way out of it


def _with_jobs(directory: Path) -> RunPaths:
    run = RunPaths(directory)
    if not run.jobs.records():
        raise InputError(
            f"{directory} has no jobs: a search in the foreground prints where it was started"
        )
    return run


def _moves(directory: Path) -> bool:
    overview = read_status_table([directory])
    if not overview.moves:
        standing = overview.seeds[0].standing
        reason = f": {standing.reason}" if standing.reason else ""
        print(f"{directory} is {standing.state.value}{reason}", file=sys.stderr)
    return overview.moves


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
