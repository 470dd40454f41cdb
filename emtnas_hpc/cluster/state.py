"""One seed's state, from what its directory, the queue and the accounts say: a pure judgement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.reasons import why_it_waits
from emtnas_hpc.cluster.records import JobRecord
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.store.owner import Owner

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
class LastStart:
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
class Evidence:
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
    last: LastStart | None = None
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
class Standing:
    """A state, why it is so (empty where there is nothing to say), and the job that carries it."""

    state: State
    reason: str = ""
    job: QueuedJob | None = None


def judge_seed(seed: Evidence) -> Standing:
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
        return Standing(State.DONE)
    if seed.in_foreground:
        return Standing(State.RUNNING, f"in the foreground: {_process(seed)}")
    if seed.cancelled is not None:
        return Standing(State.CANCELLED, _with_jobs(seed.cancelled, seed.jobs or ()))
    if seed.failed is not None:
        return Standing(State.FAILED, _with_jobs(seed.failed, seed.jobs or ()))
    if seed.jobs:
        return _carried(seed, seed.jobs)
    if seed.jobs is None and seed.records and not seed.of_foreground:
        return _unseen(seed)
    if seed.unreadable:
        return Standing(State.UNREADABLE, seed.unreadable)
    if seed.of_foreground:
        gone = "is gone" if seed.owner_lives is False else "shows no sign of life"
        return Standing(State.LOST, f"{_process(seed)} {gone}; the same command goes on")
    return _left_alone(seed)


def carrier(jobs: Iterable[QueuedJob]) -> QueuedJob:
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


def _carried(seed: Evidence, jobs: Sequence[QueuedJob]) -> Standing:
    job = carrier(jobs)
    if job.state == "PENDING":
        state = State.REQUEUED if job.restarts else State.QUEUED
        return Standing(state, f"job {job.job_id} {why_it_waits(job)}", job)
    if job.state == "RUNNING":
        silence = _silence(seed, job)
        silent = silence is not None and silence > SILENCE_S
        reason = f"job {job.job_id} on {job.nodes} shows no sign of life" if silent else ""
        return Standing(State.RUNNING, reason, job)
    return Standing(State.RUNNING, f"job {job.job_id} is {job.state.lower()}", job)


def _silence(seed: Evidence, job: QueuedJob) -> float | None:
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


def _process(seed: Evidence) -> str:
    return f"process {seed.owner.pid} on {seed.owner.host}" if seed.owner else "its process"


def _unseen(seed: Evidence) -> Standing:
    last = seed.last
    begins = last is not None and last.end is None and last.silent_s <= SILENCE_S
    if seed.owner_is_heard or begins:
        return Standing(State.RUNNING, "it lives; SLURM cannot be asked")
    return Standing(State.UNKNOWN, "SLURM cannot be asked about its jobs")


#: Events that a start may end with unfinished: the state that it leaves, and what is said of it.
UNFINISHED_ENDS: Mapping[str, tuple[State, str]] = {
    Event.STOPPED: (State.STOPPED, "by {detail}"),
    Event.ABANDONED: (State.STOPPED, "by {detail}"),
    Event.SUPERSEDED: (State.STOPPED, "another process took it over and left it"),
    Event.FAILED: (State.FAILED, "{detail}"),
    Event.LEFT: (State.STOPPED, "its last job found nothing to do ({detail})"),
}


def _left_alone(seed: Evidence) -> Standing:
    mend = "`resume` goes on" if seed.records else "the same command goes on"
    lost = _lost_job(seed)
    if seed.last is not None and seed.last.end is not None and seed.last.end in UNFINISHED_ENDS:
        state, text = UNFINISHED_ENDS[seed.last.end]
        said = text.format(detail=seed.last.detail or "itself")
        return Standing(state, "; ".join(part for part in (said, lost, mend) if part))
    if seed.last is None and not seed.records:
        return Standing(State.STOPPED, "has not begun; `launch` or `run` begins it")
    return Standing(State.LOST, f"{lost or 'its process is gone'}; {mend}")


def _lost_job(seed: Evidence) -> str:
    """What became of the newest job; empty where there was none."""
    job_id = seed.newest_job
    if job_id is None:
        intent = any(record.open for record in seed.records)
        return "`launch` died before SLURM answered" if intent else ""
    ending = seed.endings.get(job_id)
    return f"job {job_id} left the queue{f' ({ending})' if ending else ''}"
