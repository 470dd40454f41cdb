"""Small programs in the place of SLURM's commands, and runs with jobs to go with them."""

import os
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.jobs import JobRecord, job_name, write_record


class StandIns:
    """Programs of which each call is counted; there is no squeue until one is written."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        self._calls = folder / "calls"
        self._queue = folder / "queue"
        # Python and the shell's own commands only.
        for name in ("sh", "echo", "cat", "cut", "sleep", "grep", "mv"):
            (folder / name).symlink_to(f"/bin/{name}")
        monkeypatch.setenv("PATH", str(folder))

    def write(self, name: str, script: str) -> None:
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\n{script}\n')
        program.chmod(0o755)

    def queue(self, *lines: str) -> None:
        """An squeue that shows these jobs, and an scancel that ends them."""
        self._queue.write_text("".join(f"{line}\n" for line in lines))
        one = f'grep "^$3|" {self._queue} | cut -d "|" -f 3'
        unknown = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
        forgotten = f'grep -q "^$3|" {self._queue} || {{ {unknown}; }}'
        self.write(
            "squeue",
            f'if [ "$2" = --jobs ]; then {forgotten}; {one}; '
            f'else echo "JOBID|NAME|STATE|"; cat {self._queue}; fi',
        )
        ended = f'grep -v "^$id|" {self._queue} > {self._queue}.new; mv {self._queue}.new'
        self.write("scancel", f"for id in $*; do {ended} {self._queue}; done")

    @property
    def calls(self) -> list[str]:
        """The commands so far, each with its arguments."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []


def queue_line(
    job: JobRecord, state: str, reason: str = "None", restarts: int = 0, dependency: str = ""
) -> str:
    """A job as squeue shows it."""
    fields = (job.job_id, job.name, state, reason, restarts, "N/A", "N/A", dependency, "n1", "gpu")
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
