"""The standby job: it waits until this job has ended for good, and continues the run."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import EmtnasError, SchedulerError
from emtnas_hpc.slurm.cancel import cancel_orphans
from emtnas_hpc.slurm.job_files import JobRecord, JobSpec, own_jobs, read_records, record_submitted
from emtnas_hpc.slurm.queue import UNKNOWN, Queue, QueuedJob, read_queue, unreadable
from emtnas_hpc.slurm.slurm import number, run_command
from emtnas_hpc.slurm.this_job import JobEnvironment

log = logging.getLogger(__name__)

#: A command that submits or cancels at this moment is done by then, or ensures the job itself.
_LOCK_PATIENCE_S = 10.0
#: An orphaned job that waits leaves the queue at once.
_ORPHANS_S = 15.0
#: SLURM is not asked more often for a standby job that it refused.
RETRY_S = 300.0


@dataclass
class StandbyKeeper:
    """Sees to it that a job has a standby job: tries until one waits, but not all the time.

    Attributes:
        spec: what a standby job is told.
        report: told in single lines what comes of it, each line once.
    """

    run: RunPaths
    spec: JobSpec
    me: JobEnvironment
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _next_at: float = -math.inf
    _reported: str = ""

    def ensure(self) -> None:
        """Submits a standby job if there is none; a failure is told, and is no reason to stop."""
        if self.clock() < self._next_at:
            return
        try:
            if message := ensure_standby(self.run, self.spec, self.me):
                self._report_once(message)
            self._next_at = math.inf
        except Exception as error:  # noqa: BLE001 - a search is worth more than its standby job
            self._report_once(f"no standby job was submitted, trying again later: {error}")
            self._next_at = self.clock() + RETRY_S

    def _report_once(self, message: str) -> None:
        if message != self._reported:
            self._reported = message
            self.report(message)


def ensure_standby(run: RunPaths, spec: JobSpec, me: JobEnvironment) -> str:
    """Submits a standby job unless one waits.

    Returns:
        What was submitted, in a line; empty if nothing had to be.

    Raises:
        OwnedError: other processes submit or cancel all the time.
        SchedulerError: SLURM refused or did not answer.
        InputError: a record of a job cannot be understood.
        StorageError: the disk refused.
    """
    with exclusive(run.jobs.lock, lambda: None, patience_s=_LOCK_PATIENCE_S) as alone:
        records, queue = _records_with_me(run, me), read_queue()
        orphans = own_jobs([record for record in records if record.job_id is None], queue)
        cancel_orphans(run, records, orphans, alone=alone, patience_s=_ORPHANS_S)
        submitted = [record for record in records if record.job_id is not None]
        if run.cancelled.exists() or _waiting(submitted, queue, me):
            return ""
        if doubtful := _waiting(submitted, queue, me, state=UNKNOWN):
            # It may wait, and it may be the one before this: asked again later.
            raise SchedulerError(unreadable(doubtful[0]))
        # Imports submitit.
        from emtnas_hpc.slurm.submit import submit

        return f"job {submit(run, spec, after=me.job_id).job_id} is the standby job of this one"


def cancel_standby(run: RunPaths, me: JobEnvironment, *, own: bool = False) -> None:
    """Cancels the standby jobs; one that stays finds nothing to do and ends at once.

    With `own`, only those that wait for this job, and for them in their turn.
    """
    try:
        records = read_records(run.jobs)
        if own:
            records = _behind(records, me)
        ids = [job.job_id for job in _waiting(records, read_queue(), me)]
        if ids:
            run_command("scancel", *ids)
            log.info(f"cancelled the standby job {', '.join(ids)}")
    except EmtnasError as error:
        log.info(f"the standby job was not cancelled: {error}")


def _records_with_me(run: RunPaths, me: JobEnvironment) -> list[JobRecord]:
    """The records; this job adds its number if the process that submitted it died before that."""
    return [
        record_submitted(run.jobs, record, me.job_id)
        if record.pending and record.name == me.name and number(me.job_id) is not None
        else record
        for record in read_records(run.jobs)
    ]


def _behind(records: Sequence[JobRecord], me: JobEnvironment) -> list[JobRecord]:
    ahead, found = {me.job_id}, []
    for record in records:  # in the order in which they were submitted
        if record.after in ahead:
            found.append(record)
            ahead |= {record.job_id} if record.job_id else set()
    return found


def _waiting(
    records: Sequence[JobRecord],
    queue: Queue,
    me: JobEnvironment,
    *,
    state: str = "PENDING",
) -> list[QueuedJob]:
    """The other jobs of these records that have not begun."""
    jobs = own_jobs(records, queue)
    return [job for job in jobs if job.job_id != me.job_id and job.state == state]
