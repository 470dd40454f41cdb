"""Which code computes convolutions on CUDA: cuDNN, or what is faster and passes a trial there."""

import warnings
from dataclasses import dataclass
from typing import Literal

import torch

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
