"""What `launch` and `resume` do about one seed: a pure judgement."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.records import JobRecord
from emtnas_hpc.cluster.state import SILENCE_S, Evidence


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

    1. What is finished is left alone.
    2. What a process in the foreground carries is left alone; one that cannot be seen from here
       counts as long as it shows signs of life, and after what the queue says.
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
    if seed.finished:
        return Decision(Action.LEAVE, "done", call_off=orphans)
    in_foreground = _in_foreground(seed)
    marked = seed.cancelled is not None or seed.failed is not None
    if in_foreground and (seed.owner_lives or marked):
        return Decision(Action.LEAVE, "running", in_foreground, orphans)
    if seed.cancelled is not None and not resuming:
        why = f"{seed.cancelled}; `emtnas-hpc resume` takes it up".removeprefix("; ")
        return Decision(Action.LEAVE, "cancelled", why, orphans)
    for state, mark in (("cancelled", seed.cancelled), ("failed", seed.failed)):
        if mark is not None:
            return Decision(Action.SUBMIT, state, mark, (*orphans, *jobs), n_spares=n_spares)
    if jobs:
        return _in_queue(jobs, orphans, n_spares)
    if in_foreground:
        return Decision(Action.LEAVE, "running", in_foreground, orphans)
    began = seed.last is not None or any(record.job_id for record in seed.records)
    state = "stopped" if began else "new"
    return Decision(Action.SUBMIT, state, call_off=orphans, n_spares=n_spares)


def own_jobs(records: Sequence[JobRecord], queue: Sequence[QueuedJob]) -> tuple[QueuedJob, ...]:
    """The jobs of these records in the queue, in the order of the records.

    By name alone: it holds the intent, and SLURM may give a job's number to another one day.
    """
    by_name = {job.name: job for job in queue}
    return tuple(by_name[record.name] for record in records if record.name in by_name)


def _split(seed: Evidence) -> tuple[tuple[QueuedJob, ...], tuple[QueuedJob, ...]]:
    """The jobs that nobody has recorded the number of, and the others."""
    unanswered = {record.name for record in seed.records if record.job_id is None}
    jobs = tuple(seed.jobs or ())
    orphans = tuple(job for job in jobs if job.name in unanswered)
    return orphans, tuple(job for job in jobs if job.name not in unanswered)


def _in_queue(jobs: Sequence[QueuedJob], orphans: tuple[QueuedJob, ...], n_spares: int) -> Decision:
    listed = ", ".join(f"job {job.job_id} {job.state.lower()}" for job in jobs)
    missing = max(0, 1 + n_spares - len(jobs))
    action = Action.TOP_UP if missing else Action.LEAVE
    return Decision(action, "in the queue", listed, orphans, jobs[-1].job_id, missing)


def _in_foreground(seed: Evidence) -> str:
    """Who carries it, if that is no job and may be alive; empty if nobody does."""
    if seed.owner is None or seed.owner.job_id or seed.owner_lives is False:
        return ""
    heard = seed.last is not None and seed.last.silent_s <= SILENCE_S
    return f"by {seed.owner}" if seed.owner_lives or heard else ""
