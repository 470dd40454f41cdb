"""Weights as a few large tensors, their file, and its bit-for-bit comparison."""

import filecmp
import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
    return _pack(list(_members(module, "_parameters")), nn.Parameter, dtype, device)


def pack_buffers(
    module: nn.Module, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Layout]:
    """Gives every buffer of a module its place in one new block of zeros."""
    return _pack(list(_members(module, "_buffers")), lambda tensor: tensor, dtype, device)


def _members(module: nn.Module, table: str) -> Iterator[tuple[str, dict[str, Tensor], str]]:
    """Name, table and key of every tensor, in the order of `named_parameters`."""
    # A supernet has thousands: torch's iterators and setattr would double the time of packing it.
    for prefix, owner in module.named_modules():
        tensors = getattr(owner, table)
        for key in tensors:
            yield f"{prefix}.{key}" if prefix else key, tensors, key


def _pack(
    members: Sequence[tuple[str, dict[str, Tensor], str]],
    wrap: Callable[[Tensor], Tensor],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Layout]:
    layout = plan_layout((name, tensors[key]) for name, tensors, key in members)
    block = allocate(layout, dtype, device)
    for (_name, tensors, key), (_same, offset, shape) in zip(members, layout, strict=True):
        tensors[key] = wrap(view(block, offset, shape))
    return block, layout


def copy_blocks(state: dict[str, Any], blocks: Mapping[str, tuple[Tensor, Layout]]) -> None:
    """Copies saved blocks over those of a network, all or none.

    Args:
        state: blocks and their layouts, as they were saved.
        blocks: by name, each with its layout.

    Raises:
        DamagedError: one was laid out for another network, has another type, or is no such thing.
    """
    for name, (block, layout) in blocks.items():
        _check(name, state, block, layout)
    for name, (block, _layout) in blocks.items():
        block.copy_(state[name])


def _check(name: str, state: dict[str, Any], block: Tensor, layout: Layout) -> None:
    saved, saved_layout = state.get(name), state.get(_layout_name(name))
    if not isinstance(saved, Tensor) or not isinstance(saved_layout, list):
        raise DamagedError(f"no {name} found, expected a tensor and its layout: not a weights file")
    if saved_layout != layout:
        raise DamagedError(
            f"saved {name} are of another network: {_difference(saved_layout, layout)}"
        )
    if saved.dtype != block.dtype or saved.shape != block.shape:
        found = f"{saved.dtype} {tuple(saved.shape)}"
        raise DamagedError(
            f"saved {name}: found {found}, expected {block.dtype} {tuple(block.shape)}"
        )


def _layout_name(block: str) -> str:
    return "weights_layout" if block == "momentum" else f"{block}_layout"


def _difference(saved: Layout, expected: Layout) -> str:
    for found, wanted in zip(saved, expected, strict=False):
        if found != wanted:
            return f"found {found}, expected {wanted}"
    return f"found {len(saved)} tensors, expected {len(expected)}"


def save_weights(state: dict[str, Any], file: Path) -> None:
    """Writes a state of tensors and plain values.

    Built in memory first: torch's writer aborts the process on a full disk, one write of finished
    bytes raises.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    file.write_bytes(buffer.getbuffer())


def load_weights(file: Path) -> dict[str, Any]:
    """Reads it back, onto the CPU.

    Raises:
        DamagedError: the file is not one of weights.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedError(f"{file} cannot be read as weights: {reason}") from None
    if not isinstance(state, dict):
        raise DamagedError(f"{file} holds {type(state).__name__}, expected a table of weights")
    return state


def weights_differences(a: Path, b: Path) -> Iterator[str]:
    """Names every block of two weights files that differs, with the first weight that does."""
    if filecmp.cmp(a, b, shallow=False):
        return
    state_a, state_b = load_weights(a), load_weights(b)
    for key in sorted({*state_a, *state_b}):
        value_a, value_b = state_a.get(key), state_b.get(key)
        if not isinstance(value_a, Tensor) or not isinstance(value_b, Tensor):
            if value_a != value_b:
                yield f"{a.name}: {key}"
        elif value_a.shape != value_b.shape or value_a.dtype != value_b.dtype:
            yield f"{a.name}: {key} has another shape or type"
        elif not _same_bits(value_a, value_b):
            layout = state_a.get(_layout_name(key), [])
            yield f"{a.name}: {key}: {_first_difference(value_a, value_b, layout)}"


def _same_bits(a: Tensor, b: Tensor) -> bool:
    # Not ==: that takes 0.0 for -0.0, and no nan for itself.
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def _first_difference(a: Tensor, b: Tensor, layout: Layout) -> str:
    bits_a, bits_b = (x.contiguous().view(torch.uint8).view(len(x), -1) for x in (a, b))
    first = int((bits_a != bits_b).any(dim=1).nonzero()[0])
    name = next((name for name, offset, _shape in reversed(layout) if offset <= first), "?")
    return f"{name} is {a[first].item()!r} against {b[first].item()!r}"
