"""Which state a run is in, and what `launch` and `resume` do about it: pure judgements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.slurm.queue import QueuedJob, why_it_waits
from emtnas_hpc.slurm.snapshot import SILENCE_S, RunSnapshot


class State(Enum):
    """What a run is at."""

    QUEUED = "queued"
    RUNNING = "running"
    REQUEUED = "requeued"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DONE = "done"
    LOST = "lost"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"

    @property
    def moves(self) -> bool:
        """Whether it may become another one without a command of the user's."""
        return self in (State.QUEUED, State.RUNNING, State.REQUEUED, State.UNKNOWN)


@dataclass(frozen=True)
class RunStatus:
    """A state, why it is so (empty where there is nothing to say), and the job at work on it."""

    state: State
    reason: str = ""
    job: QueuedJob | None = None


def classify(run: RunSnapshot) -> RunStatus:
    """The state of a run, by the first rule that applies.

    1. A finished run is done.
    2. A process in the foreground works on it, whatever flag it has: none stops such a process.
    3. A flag counts whatever the queue says.
    4. A job in the queue works on it: one that runs before one that waits.
    5. Without the queue nothing more can be said of a run that had jobs.
    6. Nothing is known to work on it, but not all of it could be read: nothing goes on by itself.
    7. A process in the foreground worked on it, and is gone.
    8. Nothing works on it: how its newest attempt ended tells what it is.
    """
    if run.finished:
        return RunStatus(State.DONE)
    if run.in_foreground:
        return RunStatus(State.RUNNING, f"in the foreground: {_process(run)}")
    if run.cancelled is not None:
        return RunStatus(State.CANCELLED, _with_jobs(run.cancelled, run.jobs or ()))
    if run.failed is not None:
        return RunStatus(State.FAILED, _with_jobs(run.failed, run.jobs or ()))
    if run.jobs:
        return _in_job(run, run.jobs)
    if run.jobs is None and run.records and not run.of_foreground:
        return _without_queue(run)
    if run.unreadable:
        return RunStatus(State.UNREADABLE, run.unreadable)
    if run.of_foreground:
        gone = "is gone" if run.owner_lives is False else "shows no sign of life"
        return RunStatus(State.LOST, f"{_process(run)} {gone}; the same command goes on")
    return _inactive(run)


def active_job(jobs: Iterable[QueuedJob]) -> QueuedJob:
    """Of a run's jobs in the queue the one that works on it, or will first."""
    return min(jobs, key=_order)


def _order(job: QueuedJob) -> tuple[bool, bool, bool, bool]:
    # Of jobs that run, one on its way out comes last; a requeued job has worked on the run before;
    # a standby job waits for another one.
    waits = job.state == "PENDING"
    return waits, job.state == "COMPLETING", not job.restarts, waits and bool(job.dependency)


def _with_jobs(flag: str, jobs: Sequence[QueuedJob]) -> str:
    if not jobs:
        return flag
    ids = ", ".join(job.job_id for job in jobs)
    return f"{flag} (still in the queue: {ids})"


def _in_job(run: RunSnapshot, jobs: Sequence[QueuedJob]) -> RunStatus:
    job = active_job(jobs)
    if job.state == "PENDING":
        state = State.REQUEUED if job.restarts else State.QUEUED
        return RunStatus(state, f"job {job.job_id} {why_it_waits(job)}", job)
    if job.state == "RUNNING":
        silence = _silence(run, job)
        silent = silence is not None and silence > SILENCE_S
        reason = f"job {job.job_id} on {job.nodes} shows no sign of life" if silent else ""
        return RunStatus(State.RUNNING, reason, job)
    return RunStatus(State.RUNNING, f"job {job.job_id} is {job.state.lower()}", job)


def _silence(run: RunSnapshot, job: QueuedJob) -> float | None:
    """Seconds since the last sign of life of a job that runs, as far as is known."""
    owner = run.owner
    if (
        owner is not None
        and owner.job_id == job.job_id
        and job.restarts in (None, owner.restart_count)
    ):
        return run.owner_silent_s
    # It does not own the run yet; then it is the newest attempt, unless that is over.
    return run.last.silent_s if run.last is not None and run.last.end is None else None


def _process(run: RunSnapshot) -> str:
    return f"process {run.owner.pid} on {run.owner.host}" if run.owner else "its process"


def _without_queue(run: RunSnapshot) -> RunStatus:
    last = run.last
    begins = last is not None and last.end is None and last.silent_s <= SILENCE_S
    if run.owner_is_heard or begins:
        return RunStatus(State.RUNNING, "it lives; SLURM cannot be asked")
    return RunStatus(State.UNKNOWN, "SLURM cannot be asked about its jobs")


#: The state that an unfinished end of an attempt leaves, and what is said of it.
UNFINISHED_ENDS: Mapping[str, tuple[State, str]] = {
    Event.STOPPED: (State.STOPPED, "by {detail}"),
    Event.ABANDONED: (State.STOPPED, "by {detail}"),
    Event.SUPERSEDED: (State.STOPPED, "another process took it over and left it"),
    Event.FAILED: (State.FAILED, "{detail}"),
    Event.LEFT: (State.STOPPED, "its last job found nothing to do ({detail})"),
}


def _inactive(run: RunSnapshot) -> RunStatus:
    remedy = "`resume` goes on" if run.records else "the same command goes on"
    lost = _lost_job(run)
    if run.last is not None and run.last.end is not None and run.last.end in UNFINISHED_ENDS:
        state, text = UNFINISHED_ENDS[run.last.end]
        ended = text.format(detail=run.last.detail or "itself")
        return RunStatus(state, "; ".join(part for part in (ended, lost, remedy) if part))
    if run.last is None and not run.records:
        return RunStatus(State.STOPPED, "has not begun; `launch` or `run` begins it")
    return RunStatus(State.LOST, f"{lost or 'its process is gone'}; {remedy}")


def _lost_job(run: RunSnapshot) -> str:
    """What became of the newest job; empty where there was none."""
    job_id = run.newest_job
    if job_id is None:
        is_pending = any(record.pending for record in run.records)
        return "`launch` died before SLURM answered" if is_pending else ""
    ending = run.endings.get(job_id)
    return f"job {job_id} left the queue{f' ({ending})' if ending else ''}"


class Action(Enum):
    """What is done about a run."""

    SUBMIT = "submitted"
    ADD_STANDBY = "standby job added"
    LEAVE = "left alone"


@dataclass(frozen=True)
class Decision:
    """What is to be done about a run, and why.

    Attributes:
        state: that the run is in, in a word or two.
        why: more about it, in words; may be empty.
        cancel: jobs to be cancelled and waited for before anything else.
        after: id of the job that the first job to be submitted waits for; None if for none.
        n_standby: standby jobs to be submitted.
        unreadable: whether it is left alone since not all of it could be read.
    """

    action: Action
    state: str
    why: str = ""
    cancel: tuple[QueuedJob, ...] = ()
    after: str | None = None
    n_standby: int = 0
    unreadable: bool = False


def leave_unreadable(why: str) -> Decision:
    """Leaves a run alone of which something could not be read."""
    return Decision(Action.LEAVE, State.UNREADABLE.value, why, unreadable=True)


def reconcile(run: RunSnapshot, n_standby: int, *, resuming: bool = False) -> Decision:
    """Decides by the first rule that applies.

    An orphaned job, whose number no record has, is cancelled, but for rule 5: there, nothing is.

    1. A run in the foreground is left alone, finished or not: what it does may be more than what
       is asked for now, which `status` knows nothing of.
    2. A finished run is left alone; its jobs may still do more than is asked for now, too.
    3. A cancelled run is left alone by `launch`, and continued by `resume`.
    4. A run in the queue that has no flag is left alone, but for standby jobs that are missing.
    5. A run of which something could not be read is left alone: its jobs could not read it either.
    6. A flagged run is submitted; what is left of its jobs would find the flag and leave.
    7. Any other run is submitted.

    Args:
        run: what is known of it; its jobs are those of its records that are in the queue.
        n_standby: jobs that are to wait behind its first job.
        resuming: whether flags are to be removed.
    """
    orphans, jobs = _split(run)
    if run.in_foreground:
        return Decision(Action.LEAVE, "running", f"by {run.owner}", orphans)
    if run.finished:
        state = "in the queue" if jobs else "done"
        return Decision(Action.LEAVE, state, _listed(jobs), orphans)
    if run.cancelled is not None and not resuming:
        why = f"{run.cancelled}; `emtnas-hpc resume` takes it up".removeprefix("; ")
        return Decision(Action.LEAVE, "cancelled", why, orphans)
    flags = (("cancelled", run.cancelled), ("failed", run.failed))
    flag = next(((state, why) for state, why in flags if why is not None), None)
    if jobs and flag is None:
        missing = max(0, 1 + n_standby - len(jobs))
        action = Action.ADD_STANDBY if missing else Action.LEAVE
        last = jobs[-1].job_id
        why = _listed(jobs)
        return Decision(action, "in the queue", why, orphans, after=last, n_standby=missing)
    if run.unreadable:
        return leave_unreadable(run.unreadable)
    if flag is not None:
        state, why = flag
        return Decision(Action.SUBMIT, state, why, (*orphans, *jobs), n_standby=n_standby)
    began = run.last is not None or any(record.job_id for record in run.records)
    state = "stopped" if began else "new"
    return Decision(Action.SUBMIT, state, cancel=orphans, n_standby=n_standby)


def _split(run: RunSnapshot) -> tuple[tuple[QueuedJob, ...], tuple[QueuedJob, ...]]:
    """The orphaned jobs, whose number no record has, and the others."""
    unanswered = {record.name for record in run.records if record.job_id is None}
    jobs = tuple(run.jobs or ())
    orphans = tuple(job for job in jobs if job.name in unanswered)
    return orphans, tuple(job for job in jobs if job.name not in unanswered)


def _listed(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(f"job {job.job_id} {job.state.lower()}" for job in jobs)
