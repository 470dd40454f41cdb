"""How jobs ended, by one call of sacct; many a site keeps no accounts."""

from collections.abc import Collection

from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import SchedulerError


def read_endings(job_ids: Collection[str]) -> dict[str, str] | None:
    """SLURM's word for how each of the jobs stands: FAILED, TIMEOUT, OUT_OF_MEMORY, ...

    Returns:
        By job id; jobs that the accounts do not know are left out. None where there are none.
    """
    if not job_ids:
        return {}
    fields = "--format=JobID,State"
    try:
        # -D: all incarnations of a requeued job; -X: jobs, not their steps.
        return parse_endings(
            call("sacct", "-X", "-D", "-P", "-n", fields, "-j", ",".join(sorted(job_ids)))
        )
    except SchedulerError:
        return None


def parse_endings(text: str) -> dict[str, str]:
    """The newest incarnation of each job; of `CANCELLED by 1000` only the first word."""
    endings = {}
    for line in text.splitlines():
        job_id, _, state = line.partition("|")
        if state.strip():
            endings[job_id] = state.split()[0]
    return endings
