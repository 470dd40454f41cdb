"""Thousands of small tensors in one block of memory, so that a file holds a few big ones."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from emtnas_hpc.errors import DamagedError

#: Elements; 64 bytes of float32, which is a cache line.
ALIGNMENT = 16

#: Name, offset in elements, and logical shape of every tensor in a block.
Layout = list[tuple[str, int, tuple[int, ...]]]


def plan_layout(named: Iterable[tuple[str, Tensor]]) -> Layout:
    """Places tensors one after the other, each at an aligned offset."""
    layout: Layout = []
    offset = 0
    for name, tensor in named:
        layout.append((name, offset, tuple(tensor.shape)))
        offset += -(-tensor.numel() // ALIGNMENT) * ALIGNMENT
    return layout


def allocate(layout: Layout, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A block of zeros that holds a layout."""
    _name, offset, shape = layout[-1]
    size = offset + -(-torch.Size(shape).numel() // ALIGNMENT) * ALIGNMENT
    return torch.zeros(size, dtype=dtype, device=device)


def view(block: Tensor, offset: int, shape: Sequence[int]) -> Tensor:
    """One tensor of a block; convolution weights, having four dimensions, are channels_last."""
    flat = block[offset : offset + torch.Size(shape).numel()]
    if len(shape) != 4:
        return flat.view(*shape)
    out, inner, height, width = shape
    return flat.view(out, height, width, inner).permute(0, 3, 1, 2)


def pack_parameters(
    module: nn.Module, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Layout]:
    """Gives every parameter of a module its place in one new block of zeros."""
    layout = plan_layout(module.named_parameters())
    block = allocate(layout, dtype, device)
    owners = [(m, name) for m in module.modules() for name, _p in m.named_parameters(recurse=False)]
    for (owner, attribute), (_name, offset, shape) in zip(owners, layout, strict=True):
        setattr(owner, attribute, nn.Parameter(view(block, offset, shape)))
    return block, layout


def pack_buffers(
    module: nn.Module, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Layout]:
    """Gives every buffer of a module its place in one new block of zeros."""
    layout = plan_layout(module.named_buffers())
    block = allocate(layout, dtype, device)
    owners = [(m, name) for m in module.modules() for name, _b in m.named_buffers(recurse=False)]
    for (owner, attribute), (_name, offset, shape) in zip(owners, layout, strict=True):
        setattr(owner, attribute, view(block, offset, shape))
    return block, layout


def check(block: Tensor, layout: Layout, saved: object, saved_layout: object, what: str) -> None:
    """Makes sure that a saved block can be copied over this one.

    Raises:
        DamagedError: it was laid out for another network, has another type, or is no such thing.
    """
    if not isinstance(saved, Tensor) or not isinstance(saved_layout, list):
        raise DamagedError(f"no {what} found, expected a tensor and its layout: not a weights file")
    if saved_layout != layout:
        raise DamagedError(
            f"saved {what} are of another network: {_difference(saved_layout, layout)}"
        )
    if saved.dtype != block.dtype or saved.shape != block.shape:
        found = f"{saved.dtype} {tuple(saved.shape)}"
        raise DamagedError(
            f"saved {what}: found {found}, expected {block.dtype} {tuple(block.shape)}"
        )


def _difference(saved: Layout, expected: Layout) -> str:
    for found, wanted in zip(saved, expected, strict=False):
        if found != wanted:
            return f"found {found}, expected {wanted}"
    return f"found {len(saved)} tensors, expected {len(expected)}"
