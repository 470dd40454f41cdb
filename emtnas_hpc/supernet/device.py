"""Torch on a device: the same bits every time, precision, kernels, memory."""

import ctypes
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import torch

from emtnas_hpc.errors import EmtnasError

Precision = Literal["tf32", "fp32"]

#: Compute capability from which on a card has TF32, 10 bits of mantissa in its matrix units.
_TF32_SINCE = (8, 0)

#: What it costs to do without Triton.
_COST = (
    "cuDNN computes depthwise convolutions, and a training step takes up to twice as long; "
    "docs/gpu.md says what Triton needs"
)


@dataclass(frozen=True)
class Kernels:
    """What computes two kinds of convolution on CUDA; the last bits of results depend on it.

    Attributes:
        depthwise: Triton's kernels of ours, or cuDNN's.
        pointwise: 1x1 convolutions as matrix products of cuBLAS, or cuDNN's.
    """

    depthwise: Literal["triton", "cudnn"] = "cudnn"
    pointwise: Literal["cublas", "cudnn"] = "cudnn"


_in_use = Kernels()


def in_use() -> Kernels:
    """What this process computes convolutions on CUDA with."""
    return _in_use


def use(kernels: Kernels) -> None:
    """Makes this process compute convolutions on CUDA with these."""
    global _in_use
    _in_use = kernels


def has_tf32(device: torch.device) -> bool:
    """Whether a CUDA device computes in TF32 where it is allowed to."""
    return torch.cuda.get_device_capability(device) >= _TF32_SINCE


def choose(device: torch.device, precision: Precision) -> tuple[Kernels, str]:
    """The kernels for a CUDA device, and a line about what is missing; empty if nothing is.

    In full float32 matrix products take half the time of cuDNN's 1x1 convolutions, with TF32 as
    much or more (H200, 20 -> 20 channels, 128 x 32 x 32: 12 and 28 us, with TF32 22 and 13).
    """
    full = precision == "fp32" or not has_tf32(device)
    reason = _triton_fails(device)
    kernels = Kernels(
        depthwise="cudnn" if reason else "triton", pointwise="cublas" if full else "cudnn"
    )
    return kernels, f"Triton cannot be used here ({reason}); {_COST}" if reason else ""


def _triton_fails(device: torch.device) -> str:
    """Why Triton's kernels cannot be used on a device, in a line; empty if they can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from emtnas_hpc.supernet import depthwise_triton

            error = depthwise_triton.trial(device)
    except Exception as refusal:  # noqa: BLE001 - a compiler, a driver, a card: anything may fail
        lines = str(refusal).strip().splitlines() or [""]
        return f"{type(refusal).__name__}: {lines[0]}".removesuffix(": ")
    # Not "above": an error that is no number is one too.
    if not error <= depthwise_triton.MOST_ERROR:
        return f"a trial came out wrong by {error:.1e}, expected {depthwise_triton.MOST_ERROR:.0e}"
    return ""


# Of malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
KEEP_ALL = 2**31 - 1


def keep_freed_memory() -> None:
    """Makes glibc reuse the memory of freed tensors rather than give it back.

    A tensor of 10 MB that is mapped afresh costs more in page faults than most operations on it
    (an addition: 6 ms instead of 1). Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, KEEP_ALL)


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
    chosen, remark = choose(device, precision)
    use(chosen)
    return remark


#: What torch's messages of the CUDA and of the CPU allocator have in common.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")
_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)")
_GIB = 2**30


@contextmanager
def out_of_memory_as_error(device: torch.device, advice: str) -> Iterator[None]:
    """Turns torch's error of the block that there is no memory into one of ours.

    Args:
        device: that is computed on.
        advice: which settings make less of it necessary.

    Raises:
        EmtnasError: naming the bytes that were requested and those that are free, if torch tells.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        raise EmtnasError(_describe(error, device, advice)) from error


def _describe(error: RuntimeError, device: torch.device, advice: str) -> str:
    found = _ASKED.search(str(error))
    asked = f" {found[1]} were asked for" if found else ""
    where = "the GPU" if device.type == "cuda" else "this machine"
    room = _room(device) if device.type == "cuda" else ""
    facts = ",".join(part for part in (asked, room) if part)
    return f"out of memory on {where}:{facts or ' torch does not say how much'}; {advice}"


def _room(device: torch.device) -> str:
    """What is free and what there is; nothing of a device that answers no more."""
    with suppress(RuntimeError):
        free, total = torch.cuda.mem_get_info(device)
        return f" {free / _GIB:.1f} of {total / _GIB:.1f} GiB were free"
    return ""
