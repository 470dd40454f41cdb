"""Submits what is missing of several seeds: repeated, or after a crash, nothing twice."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.atomic import exclusive, sync_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.ownership import (
    Owner,
    Verdict,
    acquire,
    judge_takeover,
    observe_owner,
    read_owner,
    this_process,
)
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import (
    InputError,
    OwnedError,
    SchedulerError,
    StorageError,
    SupersededError,
    shown,
)
from emtnas_hpc.search.run_dir import (
    store_experiment,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.search.spec import SearchPlan
from emtnas_hpc.settings.experiment import Experiment, difference, flatten
from emtnas_hpc.slurm.acceptance import memory_hint
from emtnas_hpc.slurm.cancel import cancel_orphans
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    JobSpec,
    own_jobs,
    read_flag,
    read_job_spec,
    write_job_spec,
)
from emtnas_hpc.slurm.queue import Queue, gone_jobs, read_queue
from emtnas_hpc.slurm.reconcile import Action, Decision, leave_unreadable, reconcile
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshots
from emtnas_hpc.slurm.submit import submit

log = logging.getLogger(__name__)

_LOCK_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Seed:
    """A seed that jobs are to finish.

    Attributes:
        experiment: what is asked for now.
        plan: its search; None where its data is gone, which only a finished one can do without.
        spec: what its jobs are told.
    """

    run: RunPaths
    experiment: Experiment
    plan: SearchPlan | None
    spec: JobSpec


@dataclass(frozen=True)
class Launched:
    """What was done about a seed.

    Attributes:
        decision: what was decided, and why.
        jobs: that were submitted, in order.
    """

    seed: Seed
    decision: Decision
    jobs: tuple[JobRecord, ...] = ()

    @property
    def n_missing(self) -> int:
        """Standby jobs that are still to be submitted."""
        if self.decision.action is Action.LEAVE:
            return 0
        first = self.decision.action is Action.SUBMIT
        return self.decision.n_standby + first - len(self.jobs)


def submit_missing_jobs(
    seeds: Sequence[Seed], launched: list[Launched], *, resuming: bool = False
) -> None:
    """Submits what is missing.

    The first jobs of all seeds come before any standby job, since a site may limit how many jobs
    there are.

    `launched` is filled with what was done about each seed as it is done, so that it is known
    whatever is raised; `resuming` continues cancelled runs.

    Raises:
        SchedulerError: SLURM refused or did not answer; what was submitted before is recorded.
        OwnedError: another process submits or cancels, or owns a run directory.
        InputError: a run directory is there twice.
        StorageError: the disk refused what was to be written.
    """
    # The queue is read once: the second of two would not see the jobs of the first.
    directory, times = Counter(seed.run.directory for seed in seeds).most_common(1)[0]
    if times > 1:
        raise InputError(f"{shown(directory)} is there {times} times, expected every run once")
    with ExitStack() as locks:
        # In one order everywhere: two launches must not wait for each other.
        alone: dict[Path, bool | StorageError] = {}
        for lock in sorted({seed.run.jobs.lock for seed in seeds}):
            try:
                alone[lock] = locks.enter_context(_jobs_lock(lock))
            except StorageError as error:
                alone[lock] = error
        queue = read_queue()
        try:
            for seed in seeds:
                is_alone = alone[seed.run.jobs.lock]
                if isinstance(is_alone, StorageError):
                    launched.append(Launched(seed, leave_unreadable(str(is_alone))))
                else:
                    launched.append(_begin(seed, queue, resuming, alone=is_alone))
        except SchedulerError as error:
            n_begun = sum(bool(each.jobs) for each in launched)
            so_far = f"{n_begun} of {len(seeds)} seeds were submitted; the same command goes on"
            raise SchedulerError(f"{error}; {so_far}{memory_hint(error)}") from None
        _add_standby_jobs(launched)


def _jobs_lock(lock: Path) -> AbstractContextManager[bool]:
    def waiting() -> None:
        log.info(f"another launch, resume or cancel is at {shown(lock.parent)}; waiting for it")

    return exclusive(lock, waiting, patience_s=_LOCK_PATIENCE_S)


def read_seeds(seeds: Sequence[Seed], queue: Queue) -> list[RunSnapshot]:
    """What is known of each seed, its jobs in the queue included.

    Raises:
        SchedulerError: one of the jobs may be in the queue, but cannot be read.
    """
    me = this_process()
    runs = []
    for seed in seeds:
        [run] = read_snapshots([seed.run.directory], me, seed.experiment)
        runs.append(replace(run, jobs=own_jobs(run.records, queue)))
    return runs


def _begin(seed: Seed, queue: Queue, resuming: bool, *, alone: bool) -> Launched:
    me = this_process()
    [run] = read_seeds([seed], queue)
    decision = reconcile(run, seed.spec.profile.spares, resuming=resuming)
    if decision.unreadable:
        return Launched(seed, decision)
    cancel_orphans(seed.run, run.records, decision.cancel, alone=alone)
    stored = run.stored.experiment if run.stored else None
    changed = with_what_may_change(stored, seed.experiment) if stored else None
    if decision.action is not Action.SUBMIT:
        if stored and changed and changed != stored:
            _update_experiment(seed, me, difference(_legible(stored), _legible(changed)))
        return Launched(seed, decision)
    if seed.plan and (stored is None or changed != stored):
        with acquire(seed.run, me, job_is_gone=gone_jobs()) as lease:
            store_experiment(seed.run, seed.plan, lease)
    # All of that may have taken minutes, and `cancel` does not wait for ever.
    if (flag := read_flag(seed.run.cancelled)) is not None and flag != run.cancelled:
        return Launched(seed, Decision(Action.LEAVE, "cancelled", f"{flag}; just now"))
    write_job_spec(seed.run.jobs, seed.spec, me.token)
    _clear_flag(seed.run.cancelled, run.cancelled)
    _clear_flag(seed.run.failed, run.failed)
    return Launched(seed, decision, (submit(seed.run, seed.spec),))


def _update_experiment(seed: Seed, me: Owner, what: str) -> None:
    """Stores what may change of a run that nothing is submitted for; its jobs read it at start."""
    if _has_stored(seed, me):
        log.info(f"{shown(seed.run.directory)} is asked for something else from now on: {what}")
    else:
        log.info(
            f"{shown(seed.run.directory)} is under way with something else than asked for: {what}; "
            "launch again when its jobs have ended"
        )


def _has_stored(seed: Seed, me: Owner) -> bool:
    """Stores it unless a process owns the run; to watch an owner takes minutes, so none is."""
    job_is_gone = gone_jobs()
    try:
        owner = read_owner(seed.run.owner)
        if owner is not None:
            verdict = judge_takeover(owner, me, observe_owner(owner, job_is_gone))
            if verdict is not Verdict.TAKE:
                return False
        with acquire(seed.run, me, job_is_gone=job_is_gone) as lease:
            store_what_may_change(seed.run, seed.experiment, lease)
    except (OwnedError, SupersededError):
        return False  # a job has just begun
    return True


def _legible(experiment: Experiment) -> Mapping[str, Any]:
    """Settings by name, an empty list as nothing."""
    return {name: None if value == [] else value for name, value in flatten(experiment).items()}


def _clear_flag(path: Path, text: str | None) -> None:
    """Removes a flag if it is the one that was decided about."""
    if text is not None and read_flag(path) == text:
        with storage_errors(path, "remove"):
            path.unlink()
            sync_directory(path.parent)


def _add_standby_jobs(launched: list[Launched]) -> None:
    """One for every seed before the second one for any; the first refusal ends it."""
    missing = sum(each.n_missing for each in launched)
    try:
        while any(each.n_missing for each in launched):
            for index, each in enumerate(launched):
                if each.n_missing:
                    launched[index] = _with_standby_job(each)
                    missing -= 1
    except SchedulerError as error:
        jobs = "one standby job was" if missing == 1 else f"{missing} standby jobs were"
        log.warning(
            f"warning: {jobs} not submitted ({error}); a job submits its own once it runs, and "
            "the same command adds what is missing"
        )


def _with_standby_job(launched: Launched) -> Launched:
    seed, decision = launched.seed, launched.decision
    spec, after = seed.spec, decision.after
    if decision.action is Action.ADD_STANDBY:
        spec = read_job_spec(seed.run.jobs) or spec
    if launched.jobs:
        after = launched.jobs[-1].job_id
    return replace(launched, jobs=(*launched.jobs, submit(seed.run, spec, after)))
