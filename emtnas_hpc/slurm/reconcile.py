"""Which state a seed is in, and what `launch` and `resume` do about it: pure judgements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from emtnas_hpc.checkpoint.ownership import Owner
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.slurm.jobs import JobRecord
from emtnas_hpc.slurm.queue import Queue, QueuedJob, unreadable, why_it_waits

#: A process that lives touches its file every 30 s.
SILENCE_S = 180.0


class State(Enum):
    """What a seed is at."""

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
        """Whether it may become another one without anybody's doing."""
        return self in (State.QUEUED, State.RUNNING, State.REQUEUED, State.UNKNOWN)


@dataclass(frozen=True)
class LastAttempt:
    """The newest start of a run, as its attempt tells it.

    Attributes:
        end: kind of the event that it ended with; None for one that says of no end.
        detail: the signal or the error of that event.
        silent_s: since its last sign of life, by the file server's clock.
    """

    end: str | None
    detail: str
    silent_s: float


@dataclass(frozen=True)
class ObservedState:
    """What is known of a seed.

    Attributes:
        finished: whether no stage has work left.
        cancelled: the text of that mark, None without it.
        failed: likewise.
        owner: the process that its directory names as its owner.
        owner_lives: as far as this machine can see; None where it cannot.
        owner_silent_s: since the owner's last sign of life, by the file server's clock; None where
            it has given none. Others may have begun after it, seen that it lives, and left.
        last: its newest start, if it ever began.
        records: of its jobs.
        jobs: those of them that are in the queue; None where the queue cannot be asked.
        endings: how jobs that left the queue ended, by job id, as far as the accounts know.
        unreadable: what of it could not be read and stays so whatever is submitted, in a line;
            empty where all was read.
    """

    finished: bool = False
    cancelled: str | None = None
    failed: str | None = None
    owner: Owner | None = None
    owner_lives: bool | None = None
    owner_silent_s: float | None = None
    last: LastAttempt | None = None
    records: Sequence[JobRecord] = ()
    jobs: Sequence[QueuedJob] | None = ()
    endings: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def newest_job(self) -> str | None:
        """Id of the job that was submitted last; None for an intent without an answer."""
        known = [record for record in self.records if not record.void]
        return known[-1].job_id if known else None

    @property
    def of_foreground(self) -> bool:
        """Whether its owner is a process in the foreground, dead or alive."""
        return self.owner is not None and not self.owner.job_id

    @property
    def in_foreground(self) -> bool:
        """Whether a process in the foreground carries it.

        One that cannot be seen from here does so as long as it shows signs of life.
        """
        alive = self.owner_is_heard if self.owner_lives is None else self.owner_lives
        return self.of_foreground and alive

    @property
    def silent_s(self) -> float | None:
        """Since the last sign of life of its owner, or else of its newest start."""
        if self.owner_silent_s is None and self.last is not None:
            return self.last.silent_s
        return self.owner_silent_s

    @property
    def owner_is_heard(self) -> bool:
        """Whether its owner has just shown that it lives."""
        return self.owner_silent_s is not None and self.owner_silent_s <= SILENCE_S


@dataclass(frozen=True)
class RunStatus:
    """A state, why it is so (empty where there is nothing to say), and the job that carries it."""

    state: State
    reason: str = ""
    job: QueuedJob | None = None


def classify(seed: ObservedState) -> RunStatus:
    """The state of a seed, by the first rule that applies.

    1. What is finished is done.
    2. A process in the foreground carries it, whatever mark it has: no process there heeds one.
    3. A mark counts whatever the queue says.
    4. A job in the queue carries it: one that runs before one that waits.
    5. Without the queue nothing more can be said of a seed that its jobs carried.
    6. Nobody is known to carry it, but not all of it could be read: nothing goes on by itself.
    7. A process in the foreground carried it, and is gone.
    8. Nobody carries it: how its newest start ended tells what it is.
    """
    if seed.finished:
        return RunStatus(State.DONE)
    if seed.in_foreground:
        return RunStatus(State.RUNNING, f"in the foreground: {_process(seed)}")
    if seed.cancelled is not None:
        return RunStatus(State.CANCELLED, _with_jobs(seed.cancelled, seed.jobs or ()))
    if seed.failed is not None:
        return RunStatus(State.FAILED, _with_jobs(seed.failed, seed.jobs or ()))
    if seed.jobs:
        return _carried(seed, seed.jobs)
    if seed.jobs is None and seed.records and not seed.of_foreground:
        return _unseen(seed)
    if seed.unreadable:
        return RunStatus(State.UNREADABLE, seed.unreadable)
    if seed.of_foreground:
        gone = "is gone" if seed.owner_lives is False else "shows no sign of life"
        return RunStatus(State.LOST, f"{_process(seed)} {gone}; the same command goes on")
    return _left_alone(seed)


def active_job(jobs: Iterable[QueuedJob]) -> QueuedJob:
    """Of a seed's jobs in the queue the one that carries it, or will first."""
    return min(jobs, key=_order)


def _order(job: QueuedJob) -> tuple[bool, bool, bool, bool]:
    waits = job.state == "PENDING"
    return waits, job.state == "COMPLETING", not job.restarts, waits and bool(job.dependency)


def _with_jobs(mark: str, jobs: Sequence[QueuedJob]) -> str:
    if not jobs:
        return mark
    ids = ", ".join(job.job_id for job in jobs)
    return f"{mark} (still in the queue: {ids})"


def _carried(seed: ObservedState, jobs: Sequence[QueuedJob]) -> RunStatus:
    job = active_job(jobs)
    if job.state == "PENDING":
        state = State.REQUEUED if job.restarts else State.QUEUED
        return RunStatus(state, f"job {job.job_id} {why_it_waits(job)}", job)
    if job.state == "RUNNING":
        silence = _silence(seed, job)
        silent = silence is not None and silence > SILENCE_S
        reason = f"job {job.job_id} on {job.nodes} shows no sign of life" if silent else ""
        return RunStatus(State.RUNNING, reason, job)
    return RunStatus(State.RUNNING, f"job {job.job_id} is {job.state.lower()}", job)


def _silence(seed: ObservedState, job: QueuedJob) -> float | None:
    """Seconds since the last sign of life of a job that runs, as far as is known."""
    owner = seed.owner
    if (
        owner is not None
        and owner.job_id == job.job_id
        and job.restarts in (None, owner.restart_count)
    ):
        return seed.owner_silent_s
    # It does not own the run yet; then it is the newest start, unless that is over.
    return seed.last.silent_s if seed.last is not None and seed.last.end is None else None


def _process(seed: ObservedState) -> str:
    return f"process {seed.owner.pid} on {seed.owner.host}" if seed.owner else "its process"


def _unseen(seed: ObservedState) -> RunStatus:
    last = seed.last
    begins = last is not None and last.end is None and last.silent_s <= SILENCE_S
    if seed.owner_is_heard or begins:
        return RunStatus(State.RUNNING, "it lives; SLURM cannot be asked")
    return RunStatus(State.UNKNOWN, "SLURM cannot be asked about its jobs")


#: Events that a start may end with unfinished: the state that it leaves, and what is said of it.
UNFINISHED_ENDS: Mapping[str, tuple[State, str]] = {
    Event.STOPPED: (State.STOPPED, "by {detail}"),
    Event.ABANDONED: (State.STOPPED, "by {detail}"),
    Event.SUPERSEDED: (State.STOPPED, "another process took it over and left it"),
    Event.FAILED: (State.FAILED, "{detail}"),
    Event.LEFT: (State.STOPPED, "its last job found nothing to do ({detail})"),
}


def _left_alone(seed: ObservedState) -> RunStatus:
    mend = "`resume` goes on" if seed.records else "the same command goes on"
    lost = _lost_job(seed)
    if seed.last is not None and seed.last.end is not None and seed.last.end in UNFINISHED_ENDS:
        state, text = UNFINISHED_ENDS[seed.last.end]
        said = text.format(detail=seed.last.detail or "itself")
        return RunStatus(state, "; ".join(part for part in (said, lost, mend) if part))
    if seed.last is None and not seed.records:
        return RunStatus(State.STOPPED, "has not begun; `launch` or `run` begins it")
    return RunStatus(State.LOST, f"{lost or 'its process is gone'}; {mend}")


def _lost_job(seed: ObservedState) -> str:
    """What became of the newest job; empty where there was none."""
    job_id = seed.newest_job
    if job_id is None:
        intent = any(record.open for record in seed.records)
        return "`launch` died before SLURM answered" if intent else ""
    ending = seed.endings.get(job_id)
    return f"job {job_id} left the queue{f' ({ending})' if ending else ''}"


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


def reconcile(seed: ObservedState, n_spares: int, *, resuming: bool = False) -> Decision:
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


def _split(seed: ObservedState) -> tuple[tuple[QueuedJob, ...], tuple[QueuedJob, ...]]:
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
