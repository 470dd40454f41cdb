"""Torch told to repeat itself."""

import torch

from emtnas_hpc.supernet.memory import keep_freed_memory


def prepare_torch(threads: int, device: torch.device) -> None:
    """Makes this process's torch deterministic, with a fixed number of CPU threads.

    The number of threads changes the last bits of results. On CUDA it takes, besides,
    CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before torch is imported, which is up to the
    program that imports it; nothing here has been tried on CUDA.

    Args:
        threads: of the CPU.
        device: that the work will be done on.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    # On the CPU every operation of ours repeats itself anyway, and asking for it imports torch's
    # compiler: two seconds a start.
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True)
        # Otherwise deterministic mode fills every new tensor with NaN, to no use here.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = False
