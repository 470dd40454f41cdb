"""Runs with jobs, to go with the programs that take the place of SLURM's commands."""

import os

from programs import StandIns as StandIns

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.job_files import JobRecord, job_name, write_record


def queue_line(
    job: JobRecord, state: str, reason: str = "None", restarts: int = 0, dependency: str = ""
) -> str:
    """A job as squeue shows it."""
    fields = (job.job_id, job.name, state, reason, restarts, "N/A", dependency, "n1")
    return "".join(f"{field}|" for field in fields)


def record_job(run: RunPaths, job_id: str | None, after: str | None = None) -> JobRecord:
    """A job of a run, as `launch` leaves its record."""
    n = len(run.jobs.records())
    intent = f"{n:08x}"
    record = JobRecord(intent, job_name(run, intent), 100.0 + n, after, job_id)
    write_record(run.jobs, record)
    return record


def leave_owner(run: RunPaths, *, job_id: str | None = None, host: str = "", pid: int = 0) -> None:
    """The record of this process as the owner of a run, or of one that is not."""
    run.directory.mkdir(parents=True, exist_ok=True)
    me = this_process(job_id=job_id)
    text = me.to_text()
    if host:
        text = text.replace(me.host, host).replace(me.boot_id, "another-boot")
    if pid:
        text = text.replace(f'"pid": {os.getpid()}', f'"pid": {pid}')
    run.owner.write_text(text)
