"""What SLURM's queue says of all jobs of this user, by one call of squeue."""

from dataclasses import dataclass

from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import SchedulerError

_FIELDS = (
    *("JobID", "Name", "State", "Reason", "RestartCnt", "StartTime", "EndTime"),
    *("Dependency", "NodeList", "Partition"),
)

#: States in which nothing of a job runs any more, nor will under its number unless it is requeued.
_ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)
#: SLURM's answer for a job that ended some minutes ago, or never was.
_FORGOTTEN = "Invalid job id"


@dataclass(frozen=True)
class QueuedJob:
    """A job that has not ended for good.

    Attributes:
        job_id: as SLURM numbers it.
        name: of the job.
        state: SLURM's word: PENDING, RUNNING, COMPLETING, SUSPENDED, ...
        reason: why it waits, SLURM's word; `None` (the text) for one that runs.
        restarts: how often SLURM has requeued it.
        start: seconds since 1970; expected for one that waits, None where unknown.
        end: when its time limit ends, likewise.
        dependency: what it waits for, such as `afterany:12(unfulfilled)`; empty if nothing.
        nodes: where it runs.
        partition: that it was submitted to.
    """

    job_id: str
    name: str
    state: str
    reason: str = ""
    restarts: int = 0
    start: float | None = None
    end: float | None = None
    dependency: str = ""
    nodes: str = ""
    partition: str = ""


def read_queue() -> list[QueuedJob]:
    """All jobs of this user that have not ended.

    Raises:
        SchedulerError: the queue cannot be asked.
    """
    columns = ",".join(f"{field}:|" for field in _FIELDS)
    return parse_queue(call("squeue", "--me", "--noheader", "--Format", columns))


def knows_job(job_id: str) -> bool:
    """Whether a job, whoever submitted it, runs, is suspended, or waits to begin again.

    Raises:
        SchedulerError: the queue cannot be asked.
    """
    try:
        states = call("squeue", "--noheader", "--jobs", job_id, "--format", "%T").split()
    except SchedulerError as error:
        if _FORGOTTEN in str(error):
            return False
        raise
    return not _ENDED.issuperset(states)


def parse_queue(text: str) -> list[QueuedJob]:
    """The jobs of squeue's lines; a name may hold anything but a line break."""
    return [_parse(line) for line in text.splitlines() if line.strip()]


def _parse(line: str) -> QueuedJob:
    job_id, rest = line.split("|", 1)
    name, *others = rest.rsplit("|", len(_FIELDS) - 1)
    state, reason, restarts, start, end, dependency, nodes, partition = others[:-1]
    return QueuedJob(
        job_id,
        name,
        state,
        reason,
        int(restarts or 0),
        _seconds(start),
        _seconds(end),
        "" if dependency == "(null)" else dependency,
        nodes,
        partition,
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
