"""Submits what is to be submitted of several seeds, once, whoever else is at it or died at it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.cluster.acceptance import memory_hint
from emtnas_hpc.cluster.decision import Action, Decision, decide, own_jobs
from emtnas_hpc.cluster.marks import read_mark
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.records import JobRecord, read_records
from emtnas_hpc.cluster.request import JobRequest, read_request, write_request
from emtnas_hpc.cluster.restating import restate
from emtnas_hpc.cluster.server_clock import server_now
from emtnas_hpc.cluster.settling import settle
from emtnas_hpc.cluster.sight import Sight, look
from emtnas_hpc.cluster.state import State
from emtnas_hpc.cluster.submission import submit
from emtnas_hpc.cluster.this_job import gone_jobs
from emtnas_hpc.errors import InputError, SchedulerError, StorageError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_directory import (
    read_stored,
    store_experiment,
    with_what_may_change,
)
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.durable import sync_directory
from emtnas_hpc.store.lock import exclusive
from emtnas_hpc.store.owner import Owner, this_process
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import shown, storage_errors

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
    request: JobRequest


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


def see(seeds: Sequence[Seed], queue: Sequence[QueuedJob]) -> list[Sight]:
    """What is known of each seed, its jobs in the queue included."""
    me = this_process()
    return [_see(seed, me, queue) for seed in seeds]


def judge(seed: Seed, sight: Sight, *, resuming: bool) -> Decision:
    """As `decide`, but a seed that could not be read is not submitted: its jobs could not either.

    Args:
        seed: which.
        sight: what is known of it.
        resuming: whether marks are to be taken away.
    """
    decision = decide(sight.evidence, seed.request.profile.spares, resuming=resuming)
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
    settle(seed.run, evidence.records, decision.call_off, say, alone=alone)
    if decision.action is not Action.SUBMIT:
        restate(seed.run, seed.experiment, me, say)
        return Launched(seed, decision)
    _store_experiment(seed, me, say)
    # All of that may have taken minutes, and `cancel` does not wait for ever.
    if (mark := read_mark(seed.run.cancelled)) is not None and mark != evidence.cancelled:
        return Launched(seed, Decision(Action.LEAVE, "cancelled", f"{mark}; just now"))
    write_request(seed.run.jobs, seed.request, me.token)
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
        request = read_request(seed.run.jobs) or request
    if launched.jobs:
        after = launched.jobs[-1].job_id
    return replace(launched, jobs=(*launched.jobs, submit(seed.run, request, after)))


def _see(seed: Seed, me: Owner, queue: Sequence[QueuedJob]) -> Sight:
    run = seed.run
    sight = look(run.directory, me, server_now(run.directory.parent), seed.experiment)
    # To look past a record that cannot be understood might submit a job twice; one that cannot be
    # read has been noted as such.
    try:
        records = read_records(run.jobs)
    except StorageError as error:
        why = sight.evidence.unreadable or str(error)
        return replace(sight, evidence=replace(sight.evidence, unreadable=why))
    evidence = replace(sight.evidence, records=records, jobs=own_jobs(records, queue))
    return replace(sight, evidence=evidence)


def _store_experiment(seed: Seed, me: Owner, say: Say) -> None:
    stored = read_stored(seed.run)
    if seed.plan is None:
        return
    if stored and with_what_may_change(stored.experiment, seed.experiment) == stored.experiment:
        return
    claim = take(seed.run, me, say=say, job_is_gone=gone_jobs())
    try:
        store_experiment(seed.run, seed.plan, claim)
    finally:
        claim.release()


def _clear_mark(path: Path, text: str | None) -> None:
    """Removes a mark if it is the one that was decided about."""
    if text is not None and read_mark(path) == text:
        with storage_errors(path, "remove"):
            path.unlink()
            sync_directory(path.parent)


@contextmanager
def _jobs_lock(lock: Path, say: Say) -> Iterator[bool]:
    def waiting() -> None:
        say(f"another launch, resume or cancel is at {shown(lock.parent)}; waiting for it")

    with exclusive(lock, waiting, patience_s=_PATIENCE_S) as alone:
        yield alone
