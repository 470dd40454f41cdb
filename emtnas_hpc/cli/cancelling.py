"""What `cancel` does: marks, then ends jobs, experiment by experiment."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cluster.cancelling import cancel_jobs, mark_cancelled
from emtnas_hpc.cluster.sight import Sight, look_at_all
from emtnas_hpc.errors import OwnedError
from emtnas_hpc.store.owner import Owner, this_process
from emtnas_hpc.store.paths import RunPaths, jobs_lock, launched_runs


def cancel_runs(find: Callable[[], Sequence[Path]]) -> int:
    """Calls off every one of some runs, and says on stdout what has become of each.

    Args:
        find: their directories; asked again with the lock, since a `launch` may be adding some.

    Returns:
        The exit code; that of an owned run if one is searched in the foreground.

    Raises:
        OwnedError: a `launch` or `resume` does not end; the marks stand, no job was cancelled.
        SchedulerError: SLURM cannot be asked, or has not ended all jobs; the marks stand.
    """
    me = this_process()
    called_off, by_hand = _look(find(), me)
    # All marks before the first job is ended: an end may be the beginning of another job.
    _mark(called_off, me)
    for experiment in dict.fromkeys(sight.paths.directory.parent for sight in called_off):
        _call_off(experiment, find, me)
    for sight in by_hand:
        print(_how_to_stop(sight), file=sys.stderr)
    return OwnedError.exit_code if by_hand else exit_codes.DONE


def with_deleted(directories: Sequence[Path], experiments: Iterable[Path]) -> list[Path]:
    """Adds runs that only their jobs tell of: somebody deleted the directories."""
    launched = (run.directory for folder in experiments for run in launched_runs(folder))
    return list(dict.fromkeys([*directories, *launched]))


def _look(directories: Sequence[Path], me: Owner) -> tuple[list[Sight], list[Sight]]:
    """The runs to be called off, and those that are searched in the foreground."""
    sights = look_at_all(directories, me)
    by_hand = [sight for sight in sights if _is_searched_by_hand(sight)]
    return [sight for sight in sights if sight not in by_hand or sight.evidence.records], by_hand


def _is_searched_by_hand(sight: Sight) -> bool:
    return sight.evidence.in_foreground and not sight.evidence.finished


def _mark(sights: Iterable[Sight], me: Owner) -> None:
    for sight in sights:
        if not sight.evidence.finished:
            mark_cancelled(sight.paths, me)


def _call_off(experiment: Path, find: Callable[[], Sequence[Path]], me: Owner) -> None:
    sights: list[Sight] = []

    def mark() -> list[RunPaths]:
        found = [directory for directory in find() if directory.parent == experiment]
        sights.extend(_look(found, me)[0])
        _mark(sights, me)
        return [sight.paths for sight in sights]

    cancel_jobs(jobs_lock(experiment), mark, _say)
    for sight in sights:
        done = sight.evidence.finished
        print(f"{sight.paths.directory}: {'done before, left as it is' if done else 'cancelled'}")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _how_to_stop(sight: Sight) -> str:
    owner = sight.evidence.owner
    if owner is None:
        return ""
    return (
        f"{sight.paths.directory} is searched in the foreground on {owner.host}, not by a job; "
        f"stop it there: Ctrl-C, or kill {owner.pid}"
    )
