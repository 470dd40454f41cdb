"""Submits what is to be submitted of several seeds, once, whoever else is at it or died at it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_dir import (
    read_stored,
    store_experiment,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.settings.experiment import Experiment, difference, flatten
from emtnas_hpc.slurm.cancel import cancel_orphans
from emtnas_hpc.slurm.jobs import (
    JobRecord,
    JobSpec,
    gone_jobs,
    read_flag,
    read_job_spec,
    read_records,
    write_job_spec,
)
from emtnas_hpc.slurm.queue import QueuedJob, read_queue
from emtnas_hpc.slurm.reconcile import Action, Decision, State, own_jobs, reconcile
from emtnas_hpc.slurm.site import memory_hint
from emtnas_hpc.slurm.slurm import filesystem_now
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshot
from emtnas_hpc.slurm.submit import submit


def update_job_spec(
    run: RunPaths, experiment: Experiment, me: Owner, say: Callable[[str], None]
) -> None:
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
    if _store(run, experiment, me):
        say(f"{shown(run.directory)} is asked for something else from now on: {what}")
    else:
        say(
            f"{shown(run.directory)} is under way with something else than asked for: {what}; "
            "launch again when its jobs have ended"
        )


def _store(run: RunPaths, experiment: Experiment, me: Owner) -> bool:
    try:
        if not _is_free(run, me):
            return False
        claim = acquire(run, me, job_is_gone=gone_jobs())
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
    return (
        owner is None
        or judge_takeover(owner, me, observe_owner(owner, gone_jobs())) is Verdict.TAKE
    )


def _legible(experiment: Experiment) -> Mapping[str, Any]:
    """Settings by name, an empty list as nothing."""
    return {name: None if value == [] else value for name, value in flatten(experiment).items()}


Say = Callable[[str], None]

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Seed:
    """A seed that is to be carried on by jobs.

    Attributes:
        run: its directory.
        experiment: what is asked for now.
        plan: its search; None where its data is gone, which only a finished one can afford.
        request: what its jobs are told.
    """

    run: RunPaths
    experiment: Experiment
    plan: SearchPlan | None
    request: JobSpec


@dataclass(frozen=True)
class Launched:
    """What was done about a seed.

    Attributes:
        seed: which.
        decision: what was decided, and why.
        jobs: that were submitted, in order.
    """

    seed: Seed
    decision: Decision
    jobs: tuple[JobRecord, ...] = ()

    @property
    def n_missing(self) -> int:
        """Spares that are still to be submitted."""
        if self.decision.action is Action.LEAVE:
            return 0
        first = self.decision.action is Action.SUBMIT
        return self.decision.n_spares + first - len(self.jobs)


def see(seeds: Sequence[Seed], queue: Sequence[QueuedJob]) -> list[RunSnapshot]:
    """What is known of each seed, its jobs in the queue included."""
    me = this_process()
    return [_see(seed, me, queue) for seed in seeds]


def judge(seed: Seed, sight: RunSnapshot, *, resuming: bool) -> Decision:
    """As `decide`, but a seed that could not be read is not submitted: its jobs could not either.

    Args:
        seed: which.
        sight: what is known of it.
        resuming: whether marks are to be taken away.
    """
    decision = reconcile(sight.evidence, seed.request.profile.spares, resuming=resuming)
    if decision.action is Action.SUBMIT and sight.evidence.unreadable:
        return _unreadable(sight.evidence.unreadable)
    return decision


def _unreadable(why: str) -> Decision:
    return Decision(Action.LEAVE, State.UNREADABLE.value, why)


def launch(
    seeds: Sequence[Seed], say: Say, launched: list[Launched], *, resuming: bool = False
) -> None:
    """Submits what is to be submitted; repeated, it submits nothing twice.

    The first jobs of all seeds come before any spare, since a site may limit how many there are.

    Args:
        seeds: of any number of experiments.
        say: told in single lines what takes a while, and of spares that were refused.
        launched: filled with what was done about each seed as it is done, so that it is known
            whatever is raised.
        resuming: whether seeds that were called off are taken up.

    Raises:
        SchedulerError: SLURM refused or did not answer; whatever was submitted before is recorded.
        OwnedError: somebody else submits or cancels, or owns a run directory.
        InputError: a record of a job cannot be understood, or a run directory is there twice.
        StorageError: the disk refused what was to be written.
    """
    _refuse_twice(seeds)
    with ExitStack() as locks:
        # In one order everywhere: two launches must not wait for each other.
        alone: dict[Path, bool | StorageError] = {}
        for lock in sorted({seed.run.jobs.lock for seed in seeds}):
            try:
                alone[lock] = locks.enter_context(_jobs_lock(lock, say))
            except StorageError as error:
                alone[lock] = error
        queue = read_queue()
        try:
            for seed in seeds:
                is_alone = alone[seed.run.jobs.lock]
                if isinstance(is_alone, StorageError):
                    launched.append(Launched(seed, _unreadable(str(is_alone))))
                else:
                    launched.append(_begin(seed, queue, resuming, say, alone=is_alone))
        except SchedulerError as error:
            n_begun = sum(bool(each.jobs) for each in launched)
            so_far = f"{n_begun} of {len(seeds)} seeds were submitted; the same command goes on"
            raise SchedulerError(f"{error}; {so_far}{memory_hint(error)}") from None
        _add_spares(launched, say)


def _refuse_twice(seeds: Sequence[Seed]) -> None:
    # The queue is read once: the second would not see the jobs of the first.
    directory, times = Counter(seed.run.directory for seed in seeds).most_common(1)[0]
    if times > 1:
        raise InputError(f"{shown(directory)} is there {times} times, expected every run once")


def _begin(
    seed: Seed, queue: Sequence[QueuedJob], resuming: bool, say: Say, *, alone: bool
) -> Launched:
    me = this_process()
    sight = _see(seed, me, queue)
    evidence, decision = sight.evidence, judge(seed, sight, resuming=resuming)
    if decision.state == State.UNREADABLE.value:
        return Launched(seed, decision)
    cancel_orphans(seed.run, evidence.records, decision.call_off, say, alone=alone)
    if decision.action is not Action.SUBMIT:
        update_job_spec(seed.run, seed.experiment, me, say)
        return Launched(seed, decision)
    _store_experiment(seed, me)
    # All of that may have taken minutes, and `cancel` does not wait for ever.
    if (mark := read_flag(seed.run.cancelled)) is not None and mark != evidence.cancelled:
        return Launched(seed, Decision(Action.LEAVE, "cancelled", f"{mark}; just now"))
    write_job_spec(seed.run.jobs, seed.request, me.token)
    for path, text in (
        (seed.run.cancelled, evidence.cancelled),
        (seed.run.failed, evidence.failed),
    ):
        _clear_mark(path, text)
    return Launched(seed, decision, (submit(seed.run, seed.request),))


def _add_spares(launched: list[Launched], say: Say) -> None:
    """A spare for every seed before the second one for any; the first refusal ends it."""
    missing = sum(each.n_missing for each in launched)
    try:
        while any(each.n_missing for each in launched):
            for index, each in enumerate(launched):
                if each.n_missing:
                    launched[index] = _with_spare(each)
                    missing -= 1
    except SchedulerError as error:
        spares = "one spare was" if missing == 1 else f"{missing} spares were"
        say(
            f"warning: {spares} not submitted ({error}); a job submits its own once it runs, and "
            "the same command adds what is missing"
        )


def _with_spare(launched: Launched) -> Launched:
    seed, decision = launched.seed, launched.decision
    request, after = seed.request, decision.after
    if decision.action is Action.TOP_UP:
        request = read_job_spec(seed.run.jobs) or request
    if launched.jobs:
        after = launched.jobs[-1].job_id
    return replace(launched, jobs=(*launched.jobs, submit(seed.run, request, after)))


def _see(seed: Seed, me: Owner, queue: Sequence[QueuedJob]) -> RunSnapshot:
    run = seed.run
    sight = read_snapshot(run.directory, me, filesystem_now(run.directory.parent), seed.experiment)
    # To look past a record that cannot be understood might submit a job twice; one that cannot be
    # read has been noted as such.
    try:
        records = read_records(run.jobs)
    except StorageError as error:
        why = sight.evidence.unreadable or str(error)
        return replace(sight, evidence=replace(sight.evidence, unreadable=why))
    evidence = replace(sight.evidence, records=records, jobs=own_jobs(records, queue))
    return replace(sight, evidence=evidence)


def _store_experiment(seed: Seed, me: Owner) -> None:
    stored = read_stored(seed.run)
    if seed.plan is None:
        return
    if stored and with_what_may_change(stored.experiment, seed.experiment) == stored.experiment:
        return
    claim = acquire(seed.run, me, job_is_gone=gone_jobs())
    try:
        store_experiment(seed.run, seed.plan, claim)
    finally:
        claim.release()


def _clear_mark(path: Path, text: str | None) -> None:
    """Removes a mark if it is the one that was decided about."""
    if text is not None and read_flag(path) == text:
        with storage_errors(path, "remove"):
            path.unlink()
            sync_directory(path.parent)


@contextmanager
def _jobs_lock(lock: Path, say: Say) -> Iterator[bool]:
    def waiting() -> None:
        say(f"another launch, resume or cancel is at {shown(lock.parent)}; waiting for it")

    with exclusive(lock, waiting, patience_s=_PATIENCE_S) as alone:
        yield alone
