"""Which device a search runs on."""

import platform
import socket
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import emtnas_hpc
from emtnas_hpc.errors import InputError
from emtnas_hpc.search.environment import ANY_GPU, check_device_name
from emtnas_hpc.supernet import device as kernels


def choose_device(name: str) -> torch.device:
    """Turns `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there; auto prefers CUDA.

    Args:
        name: one of these, or `ANY_GPU`.

    Raises:
        InputError: torch knows no such device, or this machine has none.
    """
    n_devices = torch.cuda.device_count()
    if name == ANY_GPU:
        return _any_gpu(n_devices)
    if check_device_name(name) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Not torch's own index: that one is eight bits wide.
    if name != "cpu" and int(name.partition(":")[2] or 0) >= n_devices:
        raise InputError(f"--device is {name!r}, but torch sees {n_devices} CUDA devices here")
    return torch.device(name)


def _any_gpu(n_devices: int) -> torch.device:
    if n_devices == 0:
        raise InputError(
            f"the job has asked for a GPU, but torch sees none on {socket.gethostname()}; "
            "`emtnas-hpc doctor` on that partition may tell why, and `launch --device cpu` does "
            "without"
        )
    return torch.device("cuda")


def describe_conditions(device: torch.device) -> dict[str, object]:
    """What a search's bits depend on besides its settings, for its provenance."""
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
    """The processor by name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
