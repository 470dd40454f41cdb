"""`cancel`: calls a run off, with all of its jobs."""

import sys
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
from emtnas_hpc.errors import EmtnasError, OwnedError, StorageError
from emtnas_hpc.slurm.cancel import cancel_jobs, mark_cancelled, once
from emtnas_hpc.slurm.jobs import read_records
from emtnas_hpc.slurm.slurm import Say
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshots


def cancel(
    run: Annotated[
        list[str],
        typer.Argument(help="Runs to call off: folders, or names below --runs.", metavar="RUN"),
    ],
    runs: RunsOption = Path("runs"),
) -> int:
    """Cancel every job of a run, spares as well, and see to it that none begins again.

    Nothing that was found is deleted; `emtnas-hpc resume` takes the run up where it was.
    """
    from emtnas_hpc.cli.runs import find_runs

    def find() -> list[Path]:
        found = find_runs(run, runs)
        meant = {folder for name in run for folder in (Path(name), runs / name)}
        experiments = dict.fromkeys(path.parent for path in found if path not in meant)
        return with_deleted(found, experiments)

    return cancel_runs(find)


def cancel_runs(find: Callable[[], Sequence[Path]]) -> int:
    """Calls off every one of some runs, and says on stdout what has become of each.

    Args:
        find: their directories; asked again with the lock, since a `launch` may be adding some.

    Returns:
        The exit code; that of a failure if one could not be called off, else that of an owned run
        if one is searched in the foreground.

    Raises:
        OwnedError: a `launch` or `resume` does not end; the marks stand, no job was cancelled.
        SchedulerError: SLURM cannot be asked, or has not ended all jobs; the marks stand.
    """
    me = this_process()
    shut = {directory: why for directory in find() if (why := _why_shut(directory))}
    for directory, why in shut.items():
        _say(f"error: {directory}: not cancelled, its jobs left alone: {why}")

    def find_open() -> list[Path]:
        return [directory for directory in find() if directory not in shut]

    called_off, by_hand = _look(find_open(), me)
    # All marks before the first job is ended: an end may be the beginning of another job.
    for sight in called_off:
        with suppress(EmtnasError):  # said at the second try, with the lock
            _mark(sight, me)
    experiments = dict.fromkeys(sight.paths.directory.parent for sight in called_off)
    say = once(_say)
    complete = [_call_off(experiment, find_open, me, say) for experiment in experiments]
    for sight in by_hand:
        print(_how_to_stop(sight), file=sys.stderr)
    if shut or not all(complete):
        return console.FAILED
    return OwnedError.exit_code if by_hand else console.DONE


def with_deleted(directories: Sequence[Path], experiments: Iterable[Path]) -> list[Path]:
    """Adds runs that only their jobs tell of: somebody deleted the directories."""
    launched: list[Path] = []
    for folder in experiments:
        with suppress(StorageError):  # each run of it says so by itself
            launched += [run.directory for run in launched_runs(folder)]
    return list(dict.fromkeys([*directories, *launched]))


def _why_shut(directory: Path) -> str:
    """Why a run cannot be looked into; empty if it can."""
    try:
        RunPaths(directory).refuse_shut()
    except StorageError as error:
        return str(error)
    return ""


def _look(directories: Sequence[Path], me: Owner) -> tuple[list[RunSnapshot], list[RunSnapshot]]:
    """The runs to be called off, and those that are searched in the foreground."""
    sights = read_snapshots(directories, me)
    by_hand = [sight for sight in sights if _is_searched_by_hand(sight)]
    return [each for each in sights if each not in by_hand or _has_jobs(each.paths)], by_hand


def _has_jobs(run: RunPaths) -> bool:
    """Whether there are records of jobs; where nobody can tell, calling them off says why."""
    try:
        return bool(run.jobs.records())
    except StorageError:
        return True


def _is_searched_by_hand(sight: RunSnapshot) -> bool:
    return sight.evidence.in_foreground and not sight.evidence.finished


def _is_ours_to_end(sight: RunSnapshot) -> bool:
    """Whether `launch` began it, or a job that somebody wrote by hand carries it."""
    jobs, seen = sight.paths.jobs, sight.evidence
    by_own_job = seen.owner is not None and not seen.of_foreground and seen.owner_lives is not False
    return bool(jobs.records()) or is_there(jobs.request) or by_own_job


def _mark(sight: RunSnapshot, me: Owner) -> str:
    """Sets the mark of a run that has something to call off, and says what becomes of the run."""
    if sight.evidence.finished:
        return "done before, left as it is"
    # `launch` leaves alone what has the mark, and `resume` what was never launched: it would stick.
    if not _is_ours_to_end(sight):
        return "never launched, left as it is"
    mark_cancelled(sight.paths, me)
    return "cancelled"


def _call_off(experiment: Path, find: Callable[[], Sequence[Path]], me: Owner, say: Say) -> bool:
    """Whether all runs of the experiment could be called off."""
    outcomes: dict[RunPaths, str] = {}
    failed = []

    def mark() -> list[RunPaths]:
        found = [directory for directory in find() if directory.parent == experiment]
        for sight in _look(found, me)[0]:
            outcome = "not cancelled"
            try:
                outcome = _mark(sight, me)
                # Which jobs are its own cannot be told if one record is damaged.
                read_records(sight.paths.jobs)
            except EmtnasError as error:
                _say(f"error: {sight.paths.directory}: {outcome}, its jobs left alone: {error}")
                failed.append(sight)
            else:
                outcomes[sight.paths] = outcome
        return list(outcomes)

    try:
        cancel_jobs(jobs_lock(experiment), mark, say)
    except StorageError as error:
        _say(f"error: {experiment}: its jobs are left alone: {error}")
        return False
    for run, outcome in outcomes.items():
        print(f"{run.directory}: {outcome}")
    return not failed


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _how_to_stop(sight: RunSnapshot) -> str:
    owner = sight.evidence.owner
    if owner is None:
        return ""
    return (
        f"{sight.paths.directory} is searched in the foreground on {owner.host}, not by a job; "
        f"stop it there: Ctrl-C, or kill {owner.pid}"
    )
