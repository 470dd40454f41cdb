"""Something else asked of a run that is left alone: stored for its jobs, or said to be not."""

from collections.abc import Callable, Mapping
from typing import Any

from emtnas_hpc.cluster.this_job import gone_jobs
from emtnas_hpc.errors import OwnedError, SupersededError
from emtnas_hpc.experiment import Experiment, difference
from emtnas_hpc.experiment.identity import flatten
from emtnas_hpc.search.run_directory import (
    read_stored,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.owner import Owner, read_owner
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import shown
from emtnas_hpc.store.takeover import Verdict, judge, observe


def restate(run: RunPaths, experiment: Experiment, me: Owner, say: Callable[[str], None]) -> None:
    """Stores what may change of what a run is asked for; its jobs read that when they start.

    Somebody who owns the run has read it: then nothing is stored, and that is said.

    Args:
        run: its directory; one that says nothing of itself yet is left so.
        experiment: what is asked for.
        me: this process.
        say: told in a single line what was stored, or was not.

    Raises:
        InputError: what the directory says of itself cannot be understood.
        StorageError: the disk refused.
    """
    stored = read_stored(run)
    if stored is None:
        return
    asked = with_what_may_change(stored.experiment, experiment)
    if asked == stored.experiment:
        return
    what = difference(_legible(stored.experiment), _legible(asked))
    if _store(run, experiment, me, say):
        say(f"{shown(run.directory)} is asked for something else from now on: {what}")
    else:
        say(
            f"{shown(run.directory)} is under way with something else than asked for: {what}; "
            "launch again when its jobs have ended"
        )


def _store(run: RunPaths, experiment: Experiment, me: Owner, say: Callable[[str], None]) -> bool:
    try:
        if not _is_free(run, me):
            return False
        claim = take(run, me, say=say, job_is_gone=gone_jobs())
        try:
            store_what_may_change(run, experiment, claim)
        finally:
            claim.release()
    except (OwnedError, SupersededError):
        return False  # a job has just begun
    return True


def _is_free(run: RunPaths, me: Owner) -> bool:
    """Whether nobody is at it, as far as is known at once; to watch an owner takes minutes."""
    owner = read_owner(run.owner)
    return owner is None or judge(owner, me, observe(owner, gone_jobs())) is Verdict.TAKE


def _legible(experiment: Experiment) -> Mapping[str, Any]:
    """Settings by name, an empty list as nothing."""
    return {name: None if value == [] else value for name, value in flatten(experiment).items()}
