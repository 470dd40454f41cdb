"""Bit-for-bit comparison of two weights files."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from emtnas_hpc.supernet.weights import load_weights

_LAYOUTS = {"weights": "weights_layout", "momentum": "weights_layout"}


def weights_differences(a: Path, b: Path) -> Iterator[str]:
    """Names every block of two weights files that differs, with the first weight that does."""
    state_a, state_b = load_weights(a), load_weights(b)
    for key in sorted({*state_a, *state_b}):
        value_a, value_b = state_a.get(key), state_b.get(key)
        if not isinstance(value_a, Tensor) or not isinstance(value_b, Tensor):
            if value_a != value_b:
                yield f"{a.name}: {key}"
        elif value_a.shape != value_b.shape or value_a.dtype != value_b.dtype:
            yield f"{a.name}: {key} has another shape or type"
        elif not _same_bits(value_a, value_b):
            layout = state_a.get(_LAYOUTS.get(key, f"{key}_layout"), [])
            yield f"{a.name}: {key}: {_first_difference(value_a, value_b, layout)}"


def _same_bits(a: Tensor, b: Tensor) -> bool:
    # Not ==: that takes 0.0 for -0.0, and no nan for itself.
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def _first_difference(a: Tensor, b: Tensor, layout: list[tuple[str, int, tuple[int, ...]]]) -> str:
    bits_a, bits_b = (x.contiguous().view(torch.uint8).view(len(x), -1) for x in (a, b))
    first = int((bits_a != bits_b).any(dim=1).nonzero()[0])
    name = next((name for name, offset, _shape in reversed(layout) if offset <= first), "?")
    return f"{name} is {a[first].item()!r} against {b[first].item()!r}"
