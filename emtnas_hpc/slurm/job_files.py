"""The jobs of a run as files: records, specification, flags."""

import json
import re
import secrets
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emtnas_hpc.checkpoint.atomic import make_directory, write_file
from emtnas_hpc.checkpoint.os_errors import read_if_there, storage_errors
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths
from emtnas_hpc.errors import EmtnasError, InputError, SchedulerError, shown
from emtnas_hpc.search.environment import ANY_GPU
from emtnas_hpc.settings.messages import first_finding
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.queue import Queue, QueuedJob, unreadable

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


def own_jobs(records: Sequence[JobRecord], queue: Queue) -> tuple[QueuedJob, ...]:
    """The jobs of these records in the queue, in the order of the records.

    By name: it holds the record's id, and SLURM may give a job's number to another one day. Where
    squeue shows less than the whole name, by the number and what is left of the name.

    Raises:
        SchedulerError: one of them may be there, but cannot be read.
    """
    by_name = {job.name: job for job in queue}
    found = []
    for record in records:
        job = by_name.get(record.name) or _cut_short(record, (*queue, *queue.damaged))
        if job is not None:
            found.append(job)
        elif not record.void:
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
        prepare_command: what prepares the data, for messages; `mend` in the file.
        filled: values of the profile that the user did not give: they follow from the partition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    profile: Profile
    data: str
    device: str
    prepare_command: Annotated[str, Field(alias="mend")]
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
    write_file(
        jobs.spec, _HEADER + tomli_w.dumps(spec.model_dump(mode="json", by_alias=True)), token
    )


def read_job_spec(jobs: JobsPaths) -> JobSpec | None:
    """The specification of a run's jobs; None if it was never launched.

    Raises:
        InputError: the file is there but cannot be understood.
        StorageError: it cannot be read.
    """
    path = jobs.spec
    text = read_if_there(path)
    if text is None:
        return None
    try:
        return JobSpec.model_validate(tomllib.loads(text.decode()))
    except ValidationError as error:
        reason = first_finding(error)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    raise InputError(f"{shown(path)} is not the job spec of a run: {reason}; launch it again")


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
