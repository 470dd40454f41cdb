"""Which device a search runs on."""

import platform
import re

import numpy as np
import torch

import emtnas_hpc
from emtnas_hpc.errors import InputError


def choose_device(name: str) -> torch.device:
    """Turns `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there; auto prefers CUDA.

    Raises:
        InputError: torch knows no such device, or this machine has none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::(\d{1,4}))?", name)
    if match is None:
        raise InputError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N")
    n_devices = torch.cuda.device_count()
    if name != "cpu" and int(match[1] or 0) >= n_devices:
        raise InputError(f"--device is {name!r}, but torch sees {n_devices} CUDA devices here")
    return torch.device(name)


def describe_software(device: torch.device) -> dict[str, str]:
    """What a search's bits depend on besides its settings, for its provenance."""
    on_cuda = device.type == "cuda"
    return {
        "emtnas_hpc": emtnas_hpc.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": str(device),
        "device_model": torch.cuda.get_device_name(device) if on_cuda else platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
