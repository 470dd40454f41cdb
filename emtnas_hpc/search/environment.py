"""What is said of devices and the environment before torch is imported."""

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from emtnas_hpc.errors import InputError

#: Set for a process that follows one whose training steps could not be recorded.
NO_GRAPHS = "EMTNAS_NO_GRAPHS"

_VARIABLES = {
    # On a shared machine, OpenMP threads that spin while they wait made a step take up to 20 times
    # as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    # cuBLAS is deterministic with a fixed workspace only.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def prepare_environment() -> None:
    """Sets what the user has not set otherwise; to be called before anything imports torch."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if "TRITON_CACHE_DIR" not in os.environ:
        with suppress(OSError):
            os.environ["TRITON_CACHE_DIR"] = str(_kernel_cache())


def _kernel_cache() -> Path:
    """Where compiled kernels are kept: not in a home, which is shared and small on clusters.

    Raises:
        OSError: it cannot be made, or is somebody else's, whose kernels are not to be trusted.
    """
    folder = Path(tempfile.gettempdir()) / f"emtnas-triton-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


#: What `auto` is in a job that has asked for a GPU; nobody types it.
ANY_GPU = "any GPU"


def check_device_name(name: str) -> str:
    """Returns the name if it is auto, cpu, cuda or cuda:N.

    Raises:
        InputError: it is not.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise InputError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N")
    return name


#: What SLURM tells a job of its GPUs: their number, or the number of each.
_COUNT, _LISTS = "SLURM_GPUS_ON_NODE", ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


def describe_choice(asked: str, conditions: Mapping[str, object]) -> str | None:
    """A line about a device that nobody named; None about one that was asked for.

    Args:
        asked: the name of the device, as the user gave it.
        conditions: what `describe_conditions` says of the one that was chosen.
    """
    if asked not in ("auto", ANY_GPU):
        return None
    return f"computes on {conditions['device']} ({conditions['device_model']}), chosen by itself"


def missing_gpu(
    asked: str, conditions: Mapping[str, object], environment: Mapping[str, str]
) -> str | None:
    """A line about GPUs that this job has and does not use, since torch sees none; None if none.

    Args:
        asked: the name of the device, as the user gave it.
        conditions: what `describe_conditions` says of the one that was chosen.
        environment: of this process.
    """
    n_gpus = _n_gpus(environment)
    if asked != "auto" or conditions["device"] != "cpu" or not n_gpus:
        return None
    gpus = "a GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return (
        f"the job has {gpus}, but torch sees none and computes on the CPU; "
        "`emtnas-hpc doctor` on that partition may tell why"
    )


def _n_gpus(environment: Mapping[str, str]) -> int:
    if (count := environment.get(_COUNT, "")).isdigit():
        return int(count)
    listed = next((environment[name] for name in _LISTS if environment.get(name)), "")
    return len(listed.split(",")) if listed else 0
