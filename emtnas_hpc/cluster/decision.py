"""What `launch` and `resume` do about one seed: a pure judgement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from emtnas_hpc.cluster.queue import Queue, QueuedJob, unreadable
from emtnas_hpc.cluster.records import JobRecord
from emtnas_hpc.cluster.state import Evidence
from emtnas_hpc.errors import SchedulerError


class Action(Enum):
    """What is done about a seed."""

    SUBMIT = "submitted"
    TOP_UP = "spare added"
    LEAVE = "left alone"


@dataclass(frozen=True)
class Decision:
    """What is to be done about a seed, and why.

    Attributes:
        action: about it.
        state: that it is in, in a word or two.
        why: more about it, in words; may be empty.
        call_off: jobs to be cancelled and waited for before anything else.
        after: id of the job that the first job to be submitted waits for; None if for none.
        n_spares: spares to be submitted.
    """

    action: Action
    state: str
    why: str = ""
    call_off: tuple[QueuedJob, ...] = ()
    after: str | None = None
    n_spares: int = 0


def decide(seed: Evidence, n_spares: int, *, resuming: bool = False) -> Decision:
    """Decides by the first rule that applies; a job of an unanswered intent is always called off.

    1. What a process in the foreground carries is left alone.
    2. What is finished is left alone; its jobs may still be at more than is asked for now.
    3. What was called off is left alone by `launch`, and taken up by `resume`.
    4. What was given up is taken up; what is left of its jobs would find the mark and leave.
    5. What is in the queue is left alone, but for spares that are missing.
    6. Anything else is submitted.

    Args:
        seed: what is known of it; its jobs are those of its records that are in the queue.
        n_spares: that are to wait behind its first job.
        resuming: whether marks are to be taken away.
    """
    orphans, jobs = _split(seed)
    if seed.in_foreground:
        return Decision(Action.LEAVE, "running", f"by {seed.owner}", orphans)
    if seed.finished:
        state = "in the queue" if jobs else "done"
        return Decision(Action.LEAVE, state, _listed(jobs), orphans)
    if seed.cancelled is not None and not resuming:
        why = f"{seed.cancelled}; `emtnas-hpc resume` takes it up".removeprefix("; ")
        return Decision(Action.LEAVE, "cancelled", why, orphans)
    for state, mark in (("cancelled", seed.cancelled), ("failed", seed.failed)):
        if mark is not None:
            return Decision(Action.SUBMIT, state, mark, (*orphans, *jobs), n_spares=n_spares)
    if jobs:
        return _in_queue(jobs, orphans, n_spares)
    began = seed.last is not None or any(record.job_id for record in seed.records)
    state = "stopped" if began else "new"
    return Decision(Action.SUBMIT, state, call_off=orphans, n_spares=n_spares)


def own_jobs(records: Sequence[JobRecord], queue: Sequence[QueuedJob]) -> tuple[QueuedJob, ...]:
    """The jobs of these records in the queue, in the order of the records.

    By name: it holds the intent, and SLURM may give a job's number to another one day. Where
    squeue shows less than the whole name, by the number and what is left of the name.

    Raises:
        SchedulerError: one of them may be there, but cannot be read.
    """
    by_name = {job.name: job for job in queue}
    cut = (*queue, *queue.damaged) if isinstance(queue, Queue) else tuple(queue)
    found = []
    for record in records:
        job = by_name.get(record.name) or _cut_short(record, cut)
        if job is not None:
            found.append(job)
        elif isinstance(queue, Queue) and not record.void:
            _refuse_doubt(record, queue)
    return tuple(found)


def _cut_short(record: JobRecord, jobs: Iterable[QueuedJob]) -> QueuedJob | None:
    for job in jobs:
        if job.name and job.job_id == record.job_id and record.name.startswith(job.name):
            return replace(job, name=record.name)
    return None


def _refuse_doubt(record: JobRecord, queue: Queue) -> None:
    """Refuses to take for gone what may stand in a line that cannot be read."""
    if queue.doubt:
        raise SchedulerError(queue.doubt)
    if queue.silent and record.job_id is not None:
        raise SchedulerError(
            f"squeue printed nothing, not even its heading, so what became of job {record.job_id} "
            "is not known; try again later"
        )
    for job in queue.damaged:
        is_number = record.job_id is None or record.job_id.startswith(job.job_id)
        if is_number and record.name.startswith(job.name):
            raise SchedulerError(unreadable(job))


def _split(seed: Evidence) -> tuple[tuple[QueuedJob, ...], tuple[QueuedJob, ...]]:
    """The jobs that nobody has recorded the number of, and the others."""
    unanswered = {record.name for record in seed.records if record.job_id is None}
    jobs = tuple(seed.jobs or ())
    orphans = tuple(job for job in jobs if job.name in unanswered)
    return orphans, tuple(job for job in jobs if job.name not in unanswered)


def _in_queue(jobs: Sequence[QueuedJob], orphans: tuple[QueuedJob, ...], n_spares: int) -> Decision:
    missing = max(0, 1 + n_spares - len(jobs))
    action = Action.TOP_UP if missing else Action.LEAVE
    return Decision(action, "in the queue", _listed(jobs), orphans, jobs[-1].job_id, missing)


def _listed(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(f"job {job.job_id} {job.state.lower()}" for job in jobs)
