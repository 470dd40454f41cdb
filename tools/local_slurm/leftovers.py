"""Jobs that outlive their node's daemon: their processes are found by what is in their environment.

A job's processes and their slurmstepd are nobody's children. They are told by this cluster's
SLURM_CONF, which no other cluster has, together with what only a job has.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from local_slurm.folder import Folder
from local_slurm.process import Process, pids, process_at


def job_processes(folder: Folder) -> list[Process]:
    """The processes of this cluster's jobs, except the caller and those that it runs under."""
    ours = set(_ancestors())
    found = (_of_a_job(folder, pid) for pid in pids() if pid not in ours)
    return [process for process in found if process]


def _of_a_job(folder: Folder, pid: int) -> Process | None:
    process = process_at(pid)
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        program = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None
    if f"SLURM_CONF={folder.slurm_conf}".encode() not in environment:
        return None
    in_job = any(entry.startswith(b"SLURM_JOB_ID=") for entry in environment)
    return process if in_job or program == "slurmstepd" else None


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        status = Path(f"/proc/{pid}/status").read_text()
        pid = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
