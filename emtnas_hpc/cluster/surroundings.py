"""The environment that sbatch sees: it reads options there, and hands all of it on to the job."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import emtnas_hpc

_PREFIX = "SBATCH_"
#: Of ours and of SLURM's variables SLURM's go before the script, so these would undo a profile.
_OURS = frozenset(
    _PREFIX + name
    for name in (
        *("ACCOUNT", "ARRAY_INX", "CLUSTERS", "CONSTRAINT", "CPUS_PER_GPU", "ERROR", "GPUS"),
        *("GPUS_PER_NODE", "GPUS_PER_SOCKET", "GPUS_PER_TASK", "GRES", "JOB_NAME", "MEM_PER_CPU"),
        *("MEM_PER_GPU", "MEM_PER_NODE", "NO_REQUEUE", "OPEN_MODE", "OUTPUT", "PARTITION", "QOS"),
        *("REQUEUE", "SIGNAL", "TIMELIMIT", "WAIT"),
    )
)
#: What of a job's surroundings is of no use to the next one, or misleads it.
_JOB = (
    *("SLURM_", "SLURMD_", "SRUN_", _PREFIX, "SUBMITIT_"),
    *("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"),
    *("TMPDIR", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "LOCAL_WORLD_SIZE",
)
#: Lists of folders that a job's setup lines may have put something before.
_LISTS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")


def package_root() -> str:
    """The folder that holds this package."""
    return str(Path(emtnas_hpc.__file__).absolute().parents[1])


def standing_options(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Options that the user's environment gives every job here, as NAME=VALUE."""
    names = sorted(name for name in environment if name.startswith(_PREFIX) and name not in _OURS)
    return tuple(
        f"{name}={environment[name]}" for name in names if "SLURM_JOB_ID" not in environment
    )


def for_sbatch(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What sbatch is to see: nothing that undoes a profile, and nothing of a job we may be in.

    Jobs submit jobs: whatever one of them adds must not add up.
    """
    seen = {name: value for name, value in environment.items() if name not in _OURS}
    if "SLURM_JOB_ID" not in environment:
        return seen
    kept = {name: value for name, value in seen.items() if not name.startswith(_JOB)}
    if configuration := environment.get("SLURM_CONF"):
        kept["SLURM_CONF"] = configuration
    return kept | {name: _each_once(name, kept[name]) for name in _LISTS if name in kept}


@contextmanager
def as_for_sbatch() -> Iterator[None]:
    """This process's environment is what sbatch is to see; afterwards as before."""
    before = dict(os.environ)
    _become(for_sbatch(before))
    try:
        yield
    finally:
        _become(before)


def _become(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _each_once(name: str, text: str) -> str:
    folders = dict.fromkeys(text.split(":"))
    if name == "PYTHONPATH":
        folders.pop(package_root(), None)  # the job's script puts it there anew
    return ":".join(folders)
