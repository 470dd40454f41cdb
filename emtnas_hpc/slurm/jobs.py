"""The jobs of a run as files: records, specification, flags; and the job that this process is."""

import json
import math
import os
import re
import secrets
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emtnas_hpc.checkpoint.atomic import make_directory, write_file
from emtnas_hpc.checkpoint.os_errors import read_if_there, storage_errors
from emtnas_hpc.checkpoint.ownership import JobIsGone
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths
from emtnas_hpc.errors import EmtnasError, InputError, SchedulerError, shown
from emtnas_hpc.search.environment import ANY_GPU
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.queue import Queue, QueuedJob, knows_job, unreadable
from emtnas_hpc.slurm.slurm import number

_LONGEST_NAME = 40


@dataclass(frozen=True)
class JobRecord:
    """A job of a run, recorded before SLURM hears of it.

    A record is pending until SLURM's answer is in it. If the process that wrote it dies before,
    its id, which is part of the job's name, still finds the job. A void one has no job.

    Attributes:
        intent: 8 hexadecimal digits, unique to this submission.
        name: of the job; holds the id.
        submitted: seconds since 1970 by the submitting machine's clock, to show.
        after: id of the job that it waits for, None for one that may begin at once.
        job_id: SLURM's answer; None while there is none.
        void: whether SLURM has no job of that name.
    """

    intent: str
    name: str
    submitted: float
    after: str | None = None
    job_id: str | None = None
    void: bool = False

    @property
    def pending(self) -> bool:
        """Whether SLURM's answer is not known."""
        return self.job_id is None and not self.void


def new_record(run: RunPaths, after: str | None) -> JobRecord:
    """A pending record of a job that waits for another one, or for none."""
    intent = secrets.token_hex(4)
    return JobRecord(intent, job_name(run, intent), time.time(), after)


def job_name(run: RunPaths, intent: str) -> str:
    """`emtnas-<experiment>-s<seed>-<id>`, with nothing in it that squeue would trip over."""
    experiment = re.sub(r"[^A-Za-z0-9._-]+", "-", run.directory.parent.name)[:_LONGEST_NAME]
    return f"emtnas-{experiment}-s{run.seed}-{intent}"


def write_record(jobs: JobsPaths, record: JobRecord) -> None:
    """Writes a record, or writes it anew, durably.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(jobs.directory)
    text = json.dumps(asdict(record), indent=1) + "\n"
    write_file(jobs.record(record.intent), text, record.intent)


def record_submitted(jobs: JobsPaths, record: JobRecord, job_id: str) -> JobRecord:
    """Adds SLURM's answer to a record."""
    record = replace(record, job_id=job_id)
    write_record(jobs, record)
    return record


def void_record(jobs: JobsPaths, record: JobRecord) -> None:
    """Marks a record as one without a job; call it only once SLURM knows none of its name."""
    write_record(jobs, replace(record, void=True))


def read_records(jobs: JobsPaths) -> Sequence[JobRecord]:
    """All records of a run in the order of SLURM's numbers, those without a number last.

    Raises:
        InputError: one cannot be understood; to go on without it might submit a job twice.
        StorageError: the disk refused.
    """
    return sorted((_read_record(path) for path in jobs.records()), key=_order)


def read_readable_records(jobs: JobsPaths) -> tuple[Sequence[JobRecord], Sequence[str]]:
    """Those records that can be read, in that order, and why each of the others cannot.

    Raises:
        StorageError: the folder of the records cannot be listed.
    """
    records, problems = [], []
    for path in jobs.records():
        try:
            records.append(_read_record(path))
        except EmtnasError as error:
            problems.append(str(error))
    return sorted(records, key=_order), problems


_FIELDS = tuple(field.name for field in fields(JobRecord))


def _read_record(path: Path) -> JobRecord:
    with storage_errors(path, "read"):
        text = path.read_bytes()
    try:
        table = json.loads(text)
        # A later version may know more of a job.
        record = JobRecord(**{name: table[name] for name in _FIELDS if name in table})
        _order(record)
    except (ValueError, TypeError):
        raise InputError(
            f"{shown(path)} is not the record of a job; put it back, or move it away once no job "
            "of the run is in the queue"
        ) from None
    return record


def _order(record: JobRecord) -> tuple[bool, int, float, str]:
    """Clocks of several machines only order records without a number."""
    return record.job_id is None, int(record.job_id or 0), float(record.submitted), record.intent


def own_jobs(records: Sequence[JobRecord], queue: Sequence[QueuedJob]) -> tuple[QueuedJob, ...]:
    """The jobs of these records in the queue, in the order of the records.

    By name: it holds the record's id, and SLURM may give a job's number to another one day. Where
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
    """Refuses to call a job gone that may stand in a line that cannot be read."""
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


_HEADER = "# Written by emtnas-hpc launch and resume; the jobs of this run read it.\n"


class JobSpec(BaseModel):
    """What a job needs that its run directory does not say.

    Attributes:
        profile: what it asks SLURM for; time limit and lead time are those that hold.
        data: where prepared data sets are, an absolute path.
        device: auto, cpu, cuda or cuda:N.
        mend: the command that prepares the data, for messages.
        filled: values of the profile that the user did not give: they follow from the partition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    profile: Profile
    data: str
    device: str
    mend: str
    filled: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def search_device(self) -> str:
        """The device that a job computes on: one that has asked for a GPU never does without."""
        return ANY_GPU if self.device == "auto" and self.profile.gpus else self.device

    @property
    def data_dir(self) -> Path:
        """Where prepared data sets are."""
        return Path(self.data)


def write_job_spec(jobs: JobsPaths, spec: JobSpec, token: str) -> None:
    """Writes the specification of a run's jobs, durably; `token` is the writing process's.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(jobs.directory)
    write_file(jobs.request, _HEADER + tomli_w.dumps(spec.model_dump(mode="json")), token)


def read_job_spec(jobs: JobsPaths) -> JobSpec | None:
    """The specification of a run's jobs; None if it was never launched.

    Raises:
        InputError: the file is there but cannot be understood.
        StorageError: it cannot be read.
    """
    path = jobs.request
    text = read_if_there(path)
    if text is None:
        return None
    try:
        return JobSpec.model_validate(tomllib.loads(text.decode()))
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, finding['loc']))}: {finding['msg']}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    raise InputError(f"{shown(path)} is not the request of a run: {reason}; launch it again")


def read_flag(path: Path) -> str | None:
    """The reason in a flag file, on one line; None where there is no such file."""
    content = read_if_there(path)
    return None if content is None else " ".join(content.decode(errors="replace").split())


def write_flag(path: Path, reason: str, token: str) -> None:
    """Sets a flag, durably; `token` is the writing process's.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(path.parent)
    write_file(path, reason + "\n", token)


@dataclass(frozen=True)
class JobEnvironment:
    """What the environment says of the job.

    Attributes:
        job_id: as SLURM numbers it.
        name: of the job.
        restart_count: how often SLURM has requeued it.
        dependencies: ids of the jobs that it waited for: all have ended for good.
        end: when its time limit ends, seconds since 1970; None where SLURM (before 23) is silent.
    """

    job_id: str
    name: str
    restart_count: int = 0
    dependencies: frozenset[str] = frozenset()
    end: float | None = None


def job_environment(environment: Mapping[str, str] = os.environ) -> JobEnvironment:
    """The job of this process.

    Raises:
        InputError: it is in none.
    """
    job_id = environment.get("SLURM_JOB_ID")
    if not job_id:
        raise InputError("this is not a SLURM job: SLURM_JOB_ID is not set")
    return JobEnvironment(
        job_id,
        environment.get("SLURM_JOB_NAME", ""),
        number(environment.get("SLURM_RESTART_COUNT", "")) or 0,
        frozenset(re.findall(r"\d+", environment.get("SLURM_JOB_DEPENDENCY", ""))),
        number(environment.get("SLURM_JOB_END_TIME", "")),
    )


def predecessors(job: JobEnvironment, records: Sequence[JobRecord]) -> frozenset[str]:
    """The jobs that this one waited for, and those that they had waited for in their turn.

    SLURM and our own records tell; this job's id may not be in its record yet.
    """
    waited = {record.job_id: record.after for record in records}
    mine = (record.after for record in records if record.name == job.name)
    found: set[str] = set()
    ahead = [*job.dependencies, *mine, waited.get(job.job_id)]
    while ahead:
        job_id = ahead.pop()
        if job_id and job_id not in found:
            found.add(job_id)
            ahead.append(waited.get(job_id))
    return frozenset(found)


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


@dataclass(frozen=True)
class TimeLimit:
    """When a job's time is over, by this process's own clock.

    Attributes:
        end: seconds on `clock`; infinite where there is no limit, or it is not known.
        lead_s: seconds before `end` at which SLURM sends its signal; it may come a minute earlier.
        clock: seconds, monotonic.
    """

    end: float = math.inf
    lead_s: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def seconds_left(self, at: float | None = None) -> float | None:
        """From a moment on this clock, by default now; None without a limit."""
        if math.isinf(self.end):
            return None
        return round(self.end - (self.clock() if at is None else at), 1)

    def fits(self, seconds: float) -> bool:
        """Whether something that begins now ends before SLURM's signal is due."""
        return self.clock() + seconds <= self.end - self.lead_s


def time_limit(job: JobEnvironment, queue: Sequence[QueuedJob], lead_s: float) -> TimeLimit:
    """The limit that the environment tells, or else the queue."""
    now = time.time()
    told = [job.end, *(each.end for each in queue if each.job_id == job.job_id)]
    # A job that another one submitted may have inherited an end that has passed.
    ends = [end for end in told if end is not None and end > now]
    if not ends:
        return TimeLimit(lead_s=lead_s)
    return TimeLimit(time.monotonic() + ends[0] - now, lead_s)
