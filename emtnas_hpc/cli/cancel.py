"""`cancel`: cancels runs with all of their jobs."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.ownership import Owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths, jobs_lock, launched_runs
from emtnas_hpc.cli import console
from emtnas_hpc.cli.options import RunsOption
from emtnas_hpc.cli.runs import candidates, find_runs
from emtnas_hpc.errors import EmtnasError, OwnedError, StorageError
from emtnas_hpc.runner.context import log_once
from emtnas_hpc.slurm.cancel import cancel_jobs, flag_cancelled
from emtnas_hpc.slurm.job_files import read_records
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshots

log = logging.getLogger(__name__)


def cancel(
    run: Annotated[
        list[str],
        typer.Argument(help="Runs to cancel: folders, or names below --runs.", metavar="RUN"),
    ],
    runs: RunsOption = Path("runs"),
) -> int:
    """Cancel every job of a run, standby jobs as well, and see to it that none begins again.

    Nothing that was found is deleted; `emtnas-hpc resume` takes the run up where it was.
    """

    def find() -> list[Path]:
        found = find_runs(run, runs)
        meant = {folder for name in run for folder in candidates(name, runs)}
        experiments = dict.fromkeys(path.parent for path in found if path not in meant)
        return _with_deleted(found, experiments)

    me = this_process()
    unreadable = {directory: why for directory in find() if (why := _why_unreadable(directory))}
    for directory, why in unreadable.items():
        log.error(f"error: {directory}: not cancelled, its jobs left alone: {why}")

    def find_readable() -> list[Path]:
        return [directory for directory in find() if directory not in unreadable]

    targets, in_foreground = _read(find_readable(), me)
    # All flags before the first job is ended: its end may be the beginning of another job.
    for target in targets:
        with suppress(EmtnasError):  # said at the second try, with the lock
            _flag(target, me)
    experiments = dict.fromkeys(target.paths.directory.parent for target in targets)
    complete: list[bool] = []
    problems: dict[str, EmtnasError] = {}
    with log_once():  # squeue may print the same for every experiment
        for experiment in experiments:
            try:
                complete.append(_cancel(experiment, find_readable, me))
            except EmtnasError as error:  # no reason to let the others go on
                problems.setdefault(str(error), error)
    for each in in_foreground:
        if owner := each.owner:
            log.info(
                f"{each.paths.directory} is searched in the foreground on {owner.host}, not by a "
                f"job; stop it there: Ctrl-C, or kill {owner.pid}"
            )
    console.raise_last(list(problems.values()))
    if unreadable or not all(complete):
        return console.FAILED
    return OwnedError.exit_code if in_foreground else console.DONE


def _with_deleted(directories: Sequence[Path], experiments: Iterable[Path]) -> list[Path]:
    """Adds runs that only their jobs tell of: their directories were deleted."""
    launched: list[Path] = []
    for folder in experiments:
        with suppress(StorageError):  # each run of it says so by itself
            launched += [run.directory for run in launched_runs(folder)]
    return list(dict.fromkeys([*directories, *launched]))


def _why_unreadable(directory: Path) -> str:
    try:
        RunPaths(directory).refuse_shut()
    except StorageError as error:
        return str(error)
    return ""


def _read(directories: Sequence[Path], me: Owner) -> tuple[list[RunSnapshot], list[RunSnapshot]]:
    """The runs to be cancelled, and those that are searched in the foreground."""
    runs = read_snapshots(directories, me)
    in_foreground = [run for run in runs if run.in_foreground and not run.finished]
    return [run for run in runs if run not in in_foreground or _has_jobs(run)], in_foreground


def _has_jobs(run: RunSnapshot) -> bool:
    """Whether there are records of jobs; where that cannot be read, cancelling them says why."""
    try:
        return bool(run.paths.jobs.records())
    except StorageError:
        return True


def _flag(run: RunSnapshot, me: Owner) -> str:
    """Flags a run that has something to cancel, and says what becomes of it."""
    if run.finished:
        return "done before, left as it is"
    jobs = run.paths.jobs
    in_job = run.owner is not None and not run.of_foreground and run.owner_lives is not False
    # `launch` leaves a flagged run alone, and `resume` one that was never launched: it would stick.
    if not (jobs.records() or is_there(jobs.spec) or in_job):
        return "never launched, left as it is"
    flag_cancelled(run.paths, me)
    return "cancelled"


def _cancel(experiment: Path, find: Callable[[], Sequence[Path]], me: Owner) -> bool:
    """Cancels the runs of an experiment that were found, or not all of them: then False."""
    outcomes: dict[RunPaths, str] = {}
    failed = []

    def flag() -> list[RunPaths]:
        found = [directory for directory in find() if directory.parent == experiment]
        for run in _read(found, me)[0]:
            outcome = "not cancelled"
            try:
                outcome = _flag(run, me)
                # Which jobs are its own cannot be told if one record is damaged.
                read_records(run.paths.jobs)
            except EmtnasError as error:
                log.error(f"error: {run.paths.directory}: {outcome}, its jobs left alone: {error}")
                failed.append(run)
            else:
                outcomes[run.paths] = outcome
        return list(outcomes)

    try:
        cancel_jobs(jobs_lock(experiment), flag)
    except StorageError as error:
        log.error(f"error: {experiment}: its jobs are left alone: {error}")
        return False
    for run, outcome in outcomes.items():
        print(f"{run.directory}: {outcome}")
    return not failed
