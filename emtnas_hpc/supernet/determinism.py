"""Torch told to repeat itself, and how exactly to compute."""

import torch

from emtnas_hpc.supernet import kernels
from emtnas_hpc.supernet.kernels import Precision
from emtnas_hpc.supernet.memory import keep_freed_memory


def prepare_torch(threads: int, device: torch.device, precision: Precision = "tf32") -> str:
    """Makes this process's torch deterministic, with a fixed number of CPU threads.

    The number of threads changes the last bits of results. On CUDA it takes, besides,
    CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before torch is imported, which is up to the
    program that imports it.

    Args:
        threads: of the CPU.
        device: that the work will be done on.
        precision: of convolutions and matrix products on CUDA.

    Returns:
        What is missing for CUDA to be as fast as it can, in a line; empty if nothing is.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    # On the CPU every operation of ours repeats itself anyway, and asking for it imports torch's
    # compiler: two seconds a start.
    if device.type != "cuda":
        return ""
    if device.index is not None:
        # Triton launches on the current device, whatever its tensors are on.
        torch.cuda.set_device(device)
    torch.use_deterministic_algorithms(True)
    # Otherwise deterministic mode fills every new tensor with NaN, to no use here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # Never the older `allow_tf32`: torch refuses to be told in both ways.
    switch = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = switch
    torch.backends.cudnn.conv.fp32_precision = switch  # type: ignore[attr-defined]
    chosen, remark = kernels.choose(device, precision)
    kernels.use(chosen)
    return remark
