"""The jobs of a run as we know them: each is recorded before SLURM hears of it.

A record without a job id is an intent: whoever wrote it died, or is about to hear SLURM's answer.
Its id is part of the job's name, so the job, if there is one, can still be found.
"""

import json
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.paths import JobsPaths, RunPaths
from emtnas_hpc.store.refusals import shown, storage_errors

_LONGEST_NAME = 40


@dataclass(frozen=True)
class JobRecord:
    """A job that was, or is to be, submitted.

    Attributes:
        intent: 8 hexadecimal digits, unique to this submission.
        name: of the job; holds the intent.
        submitted: seconds since 1970 by the submitting machine's clock, to show.
        after: id of the job that it waits for, None for one that may begin at once.
        job_id: SLURM's answer; None while there is none.
        void: the intent was given up: no job of that name is left.
    """

    intent: str
    name: str
    submitted: float
    after: str | None = None
    job_id: str | None = None
    void: bool = False

    @property
    def open(self) -> bool:
        """Whether it is not known what became of the intent."""
        return self.job_id is None and not self.void


def new_record(run: RunPaths, after: str | None) -> JobRecord:
    """A record of a job that nobody has heard of yet.

    Args:
        run: that the job is to carry on.
        after: id of the job that it is to wait for, if any.
    """
    intent = secrets.token_hex(4)
    return JobRecord(intent, job_name(run, intent), time.time(), after)


def job_name(run: RunPaths, intent: str) -> str:
    """`emtnas-<experiment>-s<seed>-<intent>`, with nothing in it that squeue would trip over."""
    experiment = re.sub(r"[^A-Za-z0-9._-]+", "-", run.directory.parent.name)[:_LONGEST_NAME]
    seed = run.directory.name.removeprefix("seed-")
    return f"emtnas-{experiment}-s{seed}-{intent}"


def write_record(jobs: JobsPaths, record: JobRecord) -> None:
    """Writes a record, or writes it anew, durably.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(jobs.directory)
    text = json.dumps(asdict(record), indent=1) + "\n"
    write_file(jobs.record(record.intent), text, record.intent)


def answered(jobs: JobsPaths, record: JobRecord, job_id: str) -> JobRecord:
    """Records SLURM's answer to an intent."""
    record = replace(record, job_id=job_id)
    write_record(jobs, record)
    return record


def give_up(jobs: JobsPaths, record: JobRecord) -> None:
    """Records that an intent has no job; call it only once SLURM knows none of its name."""
    write_record(jobs, replace(record, void=True))


def read_records(jobs: JobsPaths) -> Sequence[JobRecord]:
    """All records of a run in the order of SLURM's numbers, those without a number last.

    Raises:
        InputError: one cannot be understood; to go on without it might submit a job twice.
        StorageError: the disk refused.
    """
    return sorted((_read(path) for path in jobs.records()), key=_order)


def read_readable_records(jobs: JobsPaths) -> tuple[Sequence[JobRecord], Sequence[str]]:
    """Those records that can be read, in that order, and why each of the others cannot.

    Raises:
        StorageError: nobody can tell which there are.
    """
    records, problems = [], []
    for path in jobs.records():
        try:
            records.append(_read(path))
        except EmtnasError as error:
            problems.append(str(error))
    return sorted(records, key=_order), problems


def _read(path: Path) -> JobRecord:
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
    """Clocks of several machines only decide between intents."""
    return record.job_id is None, int(record.job_id or 0), float(record.submitted), record.intent


_FIELDS = tuple(field.name for field in fields(JobRecord))
