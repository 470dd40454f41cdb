"""Submits what is to be submitted of several seeds, once, whoever else is at it or died at it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from emtnas_hpc.agenda.remaining import stages_left
from emtnas_hpc.cluster.calling_off import call_off
from emtnas_hpc.cluster.decision import Action, Decision, decide, own_jobs
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.records import JobRecord, give_up
from emtnas_hpc.cluster.request import JobRequest, read_request, write_request
from emtnas_hpc.cluster.server_clock import server_now
from emtnas_hpc.cluster.sight import Sight, look
from emtnas_hpc.cluster.submission import remove_leftovers, submit
from emtnas_hpc.cluster.this_job import gone_jobs
from emtnas_hpc.errors import OwnedError, SchedulerError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_directory import read_stored, store_experiment
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
        number: of the seed.
        plan: its search; None where its data is gone, which only a finished one can afford.
        request: what its jobs are told.
    """

    run: RunPaths
    experiment: Experiment
    number: int
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


def see(seeds: Sequence[Seed], queue: Sequence[QueuedJob]) -> list[Sight]:
    """What is known of each seed, its jobs in the queue included."""
    me = this_process()
    return [_see(seed, me, queue) for seed in seeds]


def launch(seeds: Sequence[Seed], say: Say, *, resuming: bool = False) -> list[Launched]:
    """Submits what is to be submitted; repeated, it submits nothing twice.

    Args:
        seeds: of any number of experiments.
        say: told in single lines what takes a while.
        resuming: whether seeds that were called off are taken up.

    Raises:
        SchedulerError: SLURM refused or did not answer; whatever was submitted before is recorded.
        OwnedError: somebody else submits or cancels, or owns a run directory.
        StorageError: the disk refused.
    """
    done: list[Launched] = []
    try:
        for _directory, group in groupby(seeds, key=lambda seed: seed.run.jobs.lock):
            members = list(group)
            with _jobs_lock(members[0].run, say):
                queue = read_queue()
                for seed in members:
                    done.append(_launch(seed, queue, resuming, say))
    except SchedulerError as error:
        raise SchedulerError(f"{error}; {_so_far(done, len(seeds))}") from None
    return done


def _launch(seed: Seed, queue: Sequence[QueuedJob], resuming: bool, say: Say) -> Launched:
    me = this_process()
    evidence = _see(seed, me, queue).evidence
    decision = decide(evidence, seed.request.profile.spares, resuming=resuming)
    _settle(seed.run, evidence.records, decision.call_off, say)
    if decision.action is Action.LEAVE:
        return Launched(seed, decision)
    if decision.action is Action.TOP_UP:
        standing = read_request(seed.run.jobs) or seed.request
        jobs = _chain(seed.run, standing, decision.after, decision.n_spares)
        return Launched(seed, decision, jobs)
    _store_experiment(seed, me, say)
    write_request(seed.run.jobs, seed.request, me.token)
    _clear_marks(seed.run)
    return Launched(seed, decision, _chain(seed.run, seed.request, None, 1 + decision.n_spares))


def _see(seed: Seed, me: Owner, queue: Sequence[QueuedJob]) -> Sight:
    run = seed.run
    sight = look(run.directory, me, server_now(run.directory.parent))
    jobs = own_jobs(sight.evidence.records, queue)
    # A search that has ended may have retrainings behind it, and others than before.
    finished = sight.evidence.finished and not stages_left(run, seed.experiment, seed.number)
    return replace(sight, evidence=replace(sight.evidence, jobs=jobs, finished=finished))


def _settle(
    run: RunPaths, records: Sequence[JobRecord], jobs: Sequence[QueuedJob], say: Say
) -> None:
    """Leaves no job and no intent behind of which nobody knows what became of it."""
    call_off(jobs, say)
    unanswered = [record for record in records if record.open]
    for record in unanswered:
        give_up(run.jobs, record)
    if unanswered:
        remove_leftovers(run.jobs)


def _store_experiment(seed: Seed, me: Owner, say: Say) -> None:
    stored = read_stored(seed.run)
    asked = seed.experiment.retraining
    if seed.plan is None or (stored and stored.experiment.retraining == asked):
        return
    claim = take(seed.run, me, say=say, job_is_gone=gone_jobs())
    try:
        store_experiment(seed.run, seed.plan, claim)
    finally:
        claim.release()


def _clear_marks(run: RunPaths) -> None:
    for mark in (run.cancelled, run.failed):
        with storage_errors(mark, "remove"):
            if mark.exists():
                mark.unlink()
                sync_directory(run.directory)


def _chain(
    run: RunPaths, request: JobRequest, after: str | None, n_jobs: int
) -> tuple[JobRecord, ...]:
    """Submits jobs, each of which waits for the one before it."""
    jobs: list[JobRecord] = []
    for _number in range(n_jobs):
        jobs.append(submit(run, request, after))
        after = jobs[-1].job_id
    return tuple(jobs)


@contextmanager
def _jobs_lock(run: RunPaths, say: Say) -> Iterator[None]:
    told: list[str] = []

    def waiting() -> None:
        told.append(f"another launch, resume or cancel is at {shown(run.jobs.lock.parent)}")
        say(f"{told[0]}; waiting for it")

    with exclusive(run.jobs.lock, waiting, patience_s=_PATIENCE_S) as alone:
        # A file system without locks has nobody to wait for: there we rely on the records.
        if told and not alone:
            raise OwnedError(f"{told[0]} for more than {_PATIENCE_S:.0f} s; try again after it")
        yield


def _so_far(done: Sequence[Launched], n_seeds: int) -> str:
    submitted = [launched for launched in done if launched.jobs]
    if not submitted:
        return "nothing was submitted"
    return f"{len(submitted)} of {n_seeds} seeds were submitted; the same command goes on"
