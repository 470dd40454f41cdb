"""Torch told to repeat itself."""

import torch

from emtnas_hpc.supernet.memory import keep_freed_memory


def prepare_torch(threads: int) -> None:
    """Makes this process's torch deterministic, with a fixed number of CPU threads.

    The number of threads changes the last bits of results. On CUDA it takes, besides,
    CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before torch is imported, which is up to the
    program that imports it; nothing here has been tried on CUDA.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Otherwise deterministic mode fills every new tensor with NaN, to no use here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
