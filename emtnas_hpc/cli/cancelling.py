"""What `cancel` does: marks, then ends jobs, experiment by experiment."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cluster.cancelling import cancel_jobs, mark_cancelled
from emtnas_hpc.cluster.sight import Sight, look_at_all
from emtnas_hpc.cluster.state import State, judge_seed
from emtnas_hpc.errors import OwnedError
from emtnas_hpc.store.owner import Owner, this_process


def cancel_runs(directories: Sequence[Path]) -> int:
    """Calls off every one of these runs, and says on stdout what has become of each.

    Returns:
        The exit code; that of an owned run if one is searched in the foreground.

    Raises:
        SchedulerError: SLURM cannot be asked, or has not ended all jobs; the marks stand.
    """
    me = this_process()
    sights = look_at_all(directories, me)
    by_hand = [sight for sight in sights if _is_in_foreground(sight)]
    called_off = [sight for sight in sights if sight not in by_hand or sight.evidence.records]
    # All marks before the first job is ended: an end may be the beginning of another job.
    _mark(called_off, me)
    for _experiment, group in groupby(called_off, lambda sight: sight.paths.directory.parent):
        _call_off(list(group), me)
    for sight in by_hand:
        print(_how_to_stop(sight), file=sys.stderr)
    return OwnedError.exit_code if by_hand else exit_codes.DONE


def _is_in_foreground(sight: Sight) -> bool:
    owner = sight.evidence.owner
    unmarked = replace(sight.evidence, cancelled=None, failed=None)
    in_foreground = owner is not None and not owner.job_id
    return in_foreground and judge_seed(unmarked).state is State.RUNNING


def _mark(sights: Iterable[Sight], me: Owner) -> None:
    for sight in sights:
        if not sight.evidence.finished:
            mark_cancelled(sight.paths, me)


def _call_off(sights: Sequence[Sight], me: Owner) -> None:
    cancel_jobs([sight.paths for sight in sights], partial(_mark, sights, me), _say)
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
