"""In which way a site takes a wish for memory: tried with sbatch, nothing is submitted."""

import math
from collections.abc import Iterator

from emtnas_hpc.cluster.acceptance import check_acceptance, may_wait
from emtnas_hpc.cluster.profile import MEMORY_OPTIONS, Profile
from emtnas_hpc.cluster.profiles import default_layer, stack
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.submission import sbatch_text
from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.store.paths import RunPaths


def accepted_memory(run: RunPaths, request: JobRequest) -> str:
    """Tries the same job with memory asked for in other ways.

    Args:
        run: whose job.
        request: with which SLURM would not take it.

    Returns:
        What a profile is to say for the first way that SLURM accepts; empty where it accepts none.
    """
    for line, profile in _ways(request.profile):
        asked = request.model_copy(update={"profile": profile})
        try:
            remarks = check_acceptance(sbatch_text(run, asked))
        except (InputError, SchedulerError):
            continue
        if not any(map(may_wait, remarks)):
            return f"SLURM accepts the same job with memory asked for in another way: {line}"
    return ""


def _ways(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """A profile's lines, and the profile with them; the way that it has is not among them."""
    sbatch = {name: v for name, v in profile.sbatch.items() if name not in MEMORY_OPTIONS}
    bare = profile.model_copy(update={"memory_gb": 0.0, "sbatch": sbatch})
    total_mb = profile.memory_mb or stack([default_layer()]).profile.memory_mb
    if not profile.memory_mb:
        memory_gb = total_mb / 1024
        yield f"memory_gb = {memory_gb:g}", bare.model_copy(update={"memory_gb": memory_gb})
    for name, n in (("mem-per-cpu", profile.cpus), ("mem-per-gpu", profile.gpus)):
        if n and name not in profile.memory_options:
            value = f"{math.ceil(total_mb / n)}M"
            with_it = bare.model_copy(update={"sbatch": {**sbatch, name: value}})
            yield f'{name} = "{value}" below [sbatch]', with_it
    if profile.memory_mb or profile.memory_options:
        yield "memory_gb = 0", bare
