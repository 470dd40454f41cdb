"""What SLURM says of this user's jobs: squeue for those alive, sacct for those that ended."""

import math
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from emtnas_hpc.checkpoint.ownership import JobIsGone
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.slurm import (
    clean,
    instead_of,
    lines_of,
    none_of,
    number,
    quoted,
    run_command,
)

_FIELDS = ("JobID", "Name", "State", "Reason", "RestartCnt", "EndTime", "Dependency", "NodeList")

#: States in which nothing of a job runs any more, nor will under its number unless it is requeued.
_ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)
#: SLURM's answer for a job that ended some minutes ago, or never was.
_FORGOTTEN = "Invalid job id"
#: squeue before 20.02 knows no --me.
_NO_SUCH_OPTION = "unrecognized option"

#: 12, 12_3 and 12_[4-9] of an array, 12+0 of a job of several parts.
_JOB_ID = re.compile(r"\d+(?:_(?:\d+|\[[^]|]*]))?(?:\+\d+)?", re.ASCII)
#: What begins as a job does, be the rest of its line missing.
_BEGINS = re.compile(r"(\d[\d_+\[\],%-]*)\s*(?:\||$)", re.ASCII)
_STATE = re.compile(r"[A-Z_]+")
#: What stands in the place of a state only where a column before it was lost: reasons, numbers.
_NO_STATE = re.compile(r"[A-Z][a-z]\w*|\d+")
#: The state of a job that squeue has lost it of.
UNKNOWN = "UNKNOWN"
#: What the names of our jobs begin with.
_OURS = "emtnas-"
#: A line of a job that has lost its beginning still has most of its columns.
_MANY = len(_FIELDS) // 2 + 1


@dataclass(frozen=True)
class QueuedJob:
    """A job that has not ended for good.

    Attributes:
        state: SLURM's word: PENDING, RUNNING, COMPLETING, SUSPENDED, ...
        reason: why it waits, SLURM's word; `None` (the text) for one that runs.
        restarts: how often SLURM has requeued it; None where it says no number.
        end_epoch: when its time limit ends, seconds since 1970; None where unknown.
        dependency: what it waits for, such as `afterany:12(unfulfilled)`; empty if nothing.
        nodes: where it runs.
    """

    job_id: str
    name: str
    state: str
    reason: str = ""
    restarts: int | None = 0
    end_epoch: float | None = None
    dependency: str = ""
    nodes: str = ""


class Queue(list[QueuedJob]):
    """Jobs that squeue has shown, and what it may have shown besides.

    Attributes:
        damaged: jobs of which not all could be read; they have their numbers, and of their names
            what is left.
        doubt: why there may be any other job, in a line; empty where there is none.
        notice: what it printed besides jobs, in a line; empty if nothing.
        silent: whether it printed nothing at all, not even the heading that it was asked for.
    """

    def __init__(
        self,
        jobs: Iterable[QueuedJob] = (),
        damaged: Sequence[QueuedJob] = (),
        doubt: str = "",
        *,
        notice: str = "",
        silent: bool = False,
    ) -> None:
        super().__init__(jobs)
        self.damaged = tuple(damaged)
        self.doubt = doubt
        self.notice = notice
        self.silent = silent

    def without_doubt(self) -> "Queue":
        """Itself, for callers that go by what is not in it.

        Raises:
            SchedulerError: something in it could not be read.
        """
        if self.doubt or self.damaged:
            raise SchedulerError(self.doubt or unreadable(self.damaged[0]))
        return self


def unreadable(job: QueuedJob) -> str:
    """What to say of a damaged job."""
    line = quoted(f"{job.job_id}|{job.name}")
    return f"squeue printed a line of a job that is not understood: {line}"


def read_queue(notices: set[str] | None = None) -> Queue:
    """All jobs of this user that have not ended.

    Args:
        notices: kept by a caller that asks again and again; as in `parse_queue`.

    Raises:
        SchedulerError: the queue cannot be asked.
    """
    # With its heading: without one, a notice alone might stand in the place of any number of jobs.
    form = ("--Format", ",".join(f"{field}:|" for field in _FIELDS))
    try:
        text = run_command("squeue", "--me", *form)
    except SchedulerError as error:
        if _NO_SUCH_OPTION not in str(error):
            raise
        text = run_command("squeue", "--user", str(os.getuid()), *form)
    return parse_queue(text, notices)


def knows_job(job_id: str) -> bool:
    """Whether a job of any user runs, is suspended, or waits to begin again.

    Raises:
        SchedulerError: the queue cannot be asked, or does not say.
    """
    try:
        # All states: then an answer without any is none.
        asked = ("--noheader", "--jobs", job_id, "--format", "%T", "--states", "all")
        text = run_command("squeue", *asked)
    except SchedulerError as error:
        if _FORGOTTEN in str(error):
            return False
        raise
    lines = lines_of(text)
    states = [line for line in lines if _STATE.fullmatch(line)]
    if not states:
        if lines:
            raise instead_of("squeue", f"the state of job {job_id}", lines)
        raise SchedulerError(f"squeue said nothing of job {job_id}")
    return not _ENDED.issuperset(states)


def gone_jobs(ended: frozenset[str] = frozenset()) -> JobIsGone:
    """Tells whether an owner's job is gone.

    One that is requeued, suspended or still completing is not: it goes on, or may be writing.

    Args:
        ended: jobs that are known to have ended for good.
    """

    def is_gone(job_id: str) -> bool | None:
        if job_id in ended:
            return True
        try:
            return not knows_job(job_id)
        except SchedulerError:
            return None

    return is_gone


def parse_queue(text: str, notices: set[str] | None = None) -> Queue:
    """The jobs of squeue's lines; a name may hold anything.

    Args:
        text: as squeue printed it.
        notices: that came with jobs before, and more of them afterwards: a line that is one of
            them stands in the place of no job.
    """
    known = set() if notices is None else notices
    jobs: list[QueuedJob] = []
    damaged: list[QueuedJob] = []
    others: list[str] = []
    doubt, notice, has_heading = "", "", False
    for line in _joined(lines_of(text)):
        if (job := _parse(line)) is not None:
            jobs.append(job)
        elif line.partition("|")[0].strip().upper() == "JOBID" and "|" in line:
            has_heading = True
        elif (job := _rest(line)) is not None:
            damaged.append(job)
        elif _BEGINS.match(line) or _OURS in line or line.count("|") >= _MANY:
            doubt = f"squeue printed a line of a job that is not understood: {quoted(line)}"
        else:
            others.append(line)
    if jobs or has_heading:
        known.update(others)
    if not known.issuperset(others) and not (damaged or doubt):
        doubt = str(instead_of("squeue", "jobs", others))
    elif others:
        notice = none_of("squeue", "a job's", others)
    silent = not (jobs or damaged or doubt or others or has_heading)
    return Queue(jobs, damaged, doubt, notice=notice, silent=silent)


def _joined(lines: Iterable[str]) -> list[str]:
    """A name with a line break in it makes two lines of a job, put together again."""
    joined: list[str] = []
    for line in lines:
        whole = f"{joined[-1]} {line}" if joined else line
        if joined and _is_first_half(joined[-1]) and not _BEGINS.match(line) and _parse(whole):
            joined[-1] = whole
        else:
            joined.append(line)
    return joined


def _is_first_half(line: str) -> bool:
    name = line.partition("|")[2].strip()
    is_ours = name.startswith(_OURS) or _OURS.startswith(name)
    return bool(_BEGINS.match(line)) and line.count("|") == 1 and not is_ours


def _rest(line: str) -> QueuedJob | None:
    """What is left of a job that has lost its end; None where more may be lost than that."""
    match = _BEGINS.match(line)
    if match is None:
        return None
    rest = line[match.end() :].strip()
    name, *others = [clean(part) for part in rest.split("|")]
    has_lost_its_beginning = len(others) >= _MANY - 1 and _STATE.fullmatch(name)
    if has_lost_its_beginning or _OURS in rest[1:]:
        return None
    # The last of them may be cut.
    state = others[0] if len(others) > 1 else ""
    return QueuedJob(match[1], name, state if _STATE.fullmatch(state) else UNKNOWN)


def _parse(line: str) -> QueuedJob | None:
    parts = [clean(part) for part in line.split("|")]
    if len(parts) > len(_FIELDS) and not parts[-1]:
        parts.pop()
    if len(parts) < len(_FIELDS) or not _JOB_ID.fullmatch(parts[0]):
        return None
    n_others = len(_FIELDS) - 2
    job_id, name = parts[0], "|".join(parts[1:-n_others])
    state, reason, restarts, end, dependency, nodes = parts[-n_others:]
    # Other users' names may hold |; in one of ours it is the trace of columns that were lost.
    if "|" in name and (_OURS in name or not _STATE.fullmatch(state)):
        return None
    has_lost_a_column = line.count("|") < len(_FIELDS) and bool(_STATE.fullmatch(name))
    if has_lost_a_column or _NO_STATE.fullmatch(state):
        return None
    return QueuedJob(
        job_id,
        name,
        state or UNKNOWN,
        reason,
        restarts=number(restarts or "0"),
        end_epoch=number(end),
        dependency="" if dependency == "(null)" else dependency,
        nodes=nodes,
    )


#: An sacct that has failed is not asked again for so long: questions of many users stall the
#: database of a site.
RETRY_S = 300.0

#: A job with its state; other lines are a site's notices.
_ENDING = re.compile(r"\s*(\d[\d_+]*)\s*\|\s*([A-Za-z_]+)")


class Accounts:
    """The accounts for callers that ask again and again, with what they said before.

    Attributes:
        problem: why they do not answer, in a line; empty where they do.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.problem = ""
        self._clock = clock
        self._next_at = -math.inf
        self._told: dict[str, str] = {}

    def endings(self, job_ids: Collection[str]) -> Mapping[str, str]:
        """SLURM's word for how each of the jobs stands, as far as it is known."""
        # A job that is not asked about is back in the queue, and will end anew.
        self._told = {job_id: self._told[job_id] for job_id in job_ids if job_id in self._told}
        left = [job_id for job_id in job_ids if self._told.get(job_id) not in _ENDED]
        if not left:
            self.problem = ""
        elif self._clock() >= self._next_at:
            self._ask(left)
        return self._told

    def _ask(self, job_ids: Collection[str]) -> None:
        try:
            self._told |= read_endings(job_ids)
            self.problem = ""
        except SchedulerError as error:
            self.problem = str(error)
            self._next_at = self._clock() + RETRY_S


def read_endings(job_ids: Collection[str]) -> dict[str, str]:
    """SLURM's word for how each of the jobs stands: FAILED, TIMEOUT, OUT_OF_MEMORY, ...

    Returns:
        By job id; jobs that the accounts do not know are left out.

    Raises:
        SchedulerError: there are no accounts, or they do not answer.
    """
    # -D: all incarnations of a requeued job; -X: jobs, not their steps.
    form = ("-X", "-D", "-P", "-n", "--format=JobID,State")
    return parse_endings(run_command("sacct", *form, "-j", ",".join(sorted(job_ids))))


def parse_endings(text: str) -> dict[str, str]:
    """The newest incarnation of each job; of `CANCELLED by 1000` only the first word."""
    found = (_ENDING.match(line) for line in lines_of(text))
    return {match[1]: clean(match[2]) for match in found if match}


_WORDS = {
    "None": "is about to be looked at by SLURM",
    "Resources": "waits for free nodes",
    "Priority": "waits for jobs of higher priority",
    "Dependency": "waits until the job before it has ended",
    "DependencyNeverSatisfied": "waits for what will never happen: `cancel`, then `resume`",
    "BeginTime": "may begin again in a moment",
    "JobHeldUser": "is held; `scontrol release` lets it go",
    "JobHeldAdmin": "is held by an administrator; ask why",
    "PartitionDown": "waits: the partition is down",
    "PartitionInactive": "waits: the partition is switched off",
    "PartitionTimeLimit": "can never begin: its time limit is above the partition's",
    "PartitionNodeLimit": "can never begin: the partition has not so many nodes",
    "BadConstraints": "can never begin: no node fits what it asks for",
    "NodeDown": "waits: the node that it needs is down",
    "ReqNodeNotAvail": "waits: nodes that it needs are down or reserved",
    "Reservation": "waits for its reservation",
    "Licenses": "waits for a licence",
    "InvalidAccount": "can never begin: the account is not valid",
    "InvalidQOS": "can never begin: the QOS is not valid",
    "JobLaunchFailure": "could not be started on its node; SLURM tries again",
}


def why_it_waits(job: QueuedJob) -> str:
    """The reason of a pending job, as what follows `job 12`."""
    # `ReqNodeNotAvail, UnavailableNodes:n1` and the like.
    word = job.reason.split(",")[0].split("(")[0].strip()
    if word in _WORDS:
        return _WORDS[word]
    if "held" in job.reason.lower():
        return f"is held ({job.reason}); `scontrol release` lets it go"
    if word.startswith(("QOS", "Assoc")) or "Max" in word:
        return f"waits: a limit of your account or QOS is reached ({word})"
    return f"waits ({job.reason or 'SLURM says not why'})"
