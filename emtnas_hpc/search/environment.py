"""The environment variables that torch reads, and the device that a search runs on.

Neither torch nor numpy is imported before it is needed: `--help` imports this module.
"""

import os
import platform
import re
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import emtnas_hpc
from emtnas_hpc.errors import InputError

if TYPE_CHECKING:
    import torch

#: Set for a process that follows one whose training steps could not be recorded.
NO_GRAPHS = "EMTNAS_NO_GRAPHS"
#: What `auto` is in a job that has asked for a GPU; no user types it.
ANY_GPU = "any GPU"

_VARIABLES = {
    # On a shared machine, OpenMP threads that spin while they wait made a step take up to 20 times
    # as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    # cuBLAS is deterministic with a fixed workspace only.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
#: What SLURM tells a job of its GPUs: their number, or the number of each.
_COUNT, _LISTS = "SLURM_GPUS_ON_NODE", ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


def prepare_environment() -> None:
    """Sets the variables that the user has not set; call it before anything imports torch."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if "TRITON_CACHE_DIR" not in os.environ:
        with suppress(OSError):
            os.environ["TRITON_CACHE_DIR"] = str(_kernel_cache())


def _kernel_cache() -> Path:
    """A folder for compiled kernels: not in a home, which is shared and small on clusters.

    Raises:
        OSError: it cannot be made, or belongs to another user, whose kernels are not to be trusted.
    """
    folder = Path(tempfile.gettempdir()) / f"emtnas-triton-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def check_device_name(name: str) -> str:
    """Returns the name if it is auto, cpu, cuda or cuda:N.

    Raises:
        InputError: it is not.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise InputError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N")
    return name


def choose_device(name: str) -> "torch.device":
    """The device of a name, which is auto, cpu, cuda, cuda:N or `ANY_GPU`; auto prefers CUDA.

    Raises:
        InputError: torch knows no such device, or this machine has none.
    """
    import torch

    n_devices = torch.cuda.device_count()
    if name == ANY_GPU:
        if n_devices == 0:
            raise InputError(
                f"the job has asked for a GPU, but torch sees none on {socket.gethostname()}; "
                "`emtnas-hpc doctor` on that partition may tell why, and `launch --device cpu` "
                "does without"
            )
        return torch.device("cuda")
    if check_device_name(name) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Not torch's own index: that one is eight bits wide.
    if name != "cpu" and int(name.partition(":")[2] or 0) >= n_devices:
        raise InputError(f"--device is {name!r}, but torch sees {n_devices} CUDA devices here")
    return torch.device(name)


def describe_conditions(device: "torch.device") -> dict[str, object]:
    """What a search's bits depend on besides its settings, for the attempt's provenance."""
    import numpy as np
    import torch

    from emtnas_hpc.supernet import device as kernels

    on_cuda = device.type == "cuda"
    of_cuda = {"tf32": kernels.has_tf32(device), **asdict(kernels.in_use())} if on_cuda else {}
    return {
        "emtnas_hpc": emtnas_hpc.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": str(device),
        "device_model": torch.cuda.get_device_name(device) if on_cuda else _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **of_cuda,
    }


def _cpu_model() -> str:
    """The processor's name where Linux has it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def describe_choice(asked: str, conditions: Mapping[str, object]) -> str | None:
    """A line about a device that the user did not name; None about one that was asked for.

    `asked` is the name that the user gave; the conditions are those of the device.
    """
    if asked not in ("auto", ANY_GPU):
        return None
    return f"computes on {conditions['device']} ({conditions['device_model']}), chosen by itself"


def missing_gpu(
    asked: str, conditions: Mapping[str, object], environment: Mapping[str, str]
) -> str | None:
    """A line about GPUs that this job has and torch does not see; None if there are none.

    Arguments as of `describe_choice`, and the environment of this process.
    """
    if (count := environment.get(_COUNT, "")).isdigit():
        n_gpus = int(count)
    else:
        listed = next((environment[name] for name in _LISTS if environment.get(name)), "")
        n_gpus = len(listed.split(",")) if listed else 0
    if asked != "auto" or conditions["device"] != "cpu" or not n_gpus:
        return None
    gpus = "a GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return (
        f"the job has {gpus}, but torch sees none and computes on the CPU; "
        "`emtnas-hpc doctor` on that partition may tell why"
    )
