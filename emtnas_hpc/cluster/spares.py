"""The spare: a job that waits for this one's end for good, to go on from where it left off."""

from collections.abc import Callable, Sequence

from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.store.lock import exclusive
from emtnas_hpc.store.paths import RunPaths

Say = Callable[[str], None]

#: Whoever submits or cancels at this moment is done by then, or looks after spares himself.
_PATIENCE_S = 10.0


def waiting_jobs(run: RunPaths, queue: Sequence[QueuedJob], my_id: str) -> list[QueuedJob]:
    """The other jobs of a run that have not begun."""
    names = {record.name for record in read_records(run.jobs)}
    return [
        job for job in queue if job.name in names and job.job_id != my_id and job.state == "PENDING"
    ]


def keep_spare(run: RunPaths, request: JobRequest, my_id: str, say: Say) -> None:
    """Submits a spare if there is none; a failure is said, and is no reason to stop."""
    try:
        with exclusive(run.jobs.lock, lambda: None, patience_s=_PATIENCE_S):
            if run.cancelled.exists() or waiting_jobs(run, read_queue(), my_id):
                return
            # Imports submitit.
            from emtnas_hpc.cluster.submission import submit

            record = submit(run, request, after=my_id)
            say(f"job {record.job_id} is the spare of this one")
    except Exception as error:  # noqa: BLE001 - a search is worth more than its spare
        say(f"no spare was submitted: {error}")


def cancel_spares(run: RunPaths, my_id: str, say: Say) -> None:
    """Takes the spares from the queue; one that stays finds nothing to do and leaves at once."""
    try:
        ids = [job.job_id for job in waiting_jobs(run, read_queue(), my_id)]
        if ids:
            call("scancel", *ids)
            say(f"cancelled the spare {', '.join(ids)}")
    except EmtnasError as error:
        say(f"the spare was not cancelled: {error}")
