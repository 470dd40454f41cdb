"""Parameters and multiply-adds of the stand-alone network of an architecture, without building it.

The network has everything that its cells name, whether or not it reaches the classifier: both
projections of a reduction cell exist even where the cell ignores `x_prev`, because the projected
`x` is the next cell's `x_prev` in any case and the paper's topology draws both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from emtnas_hpc.space.architecture import (
    OPERATIONS,
    Architecture,
    CellArchitecture,
    CellKind,
    Edge,
    NetworkShape,
    stem_widths,
)

#: Which 1x1 slices of a cell's output count: those of concatenated blocks, or one for every block.
Slices = Literal["in_use", "all"]

_STEM_KERNEL = 3


@dataclass(frozen=True)
class _Place:
    """A cell in a network, with its width and the edge of its feature maps."""

    kind: CellKind
    cell: CellArchitecture
    channels: int
    size: int


def count_parameters(
    architecture: Architecture, shape: NetworkShape, slices: Slices = "in_use"
) -> int:
    """Trainable parameters: convolutions (no bias), batch norms (two a channel), linear (bias).

    An operation that both branches of a block apply to one input is a single copy.

    Args:
        architecture: of the network.
        shape: of the network.
        slices: "in_use" is what the network holds; "all" adds the unused 1x1 output slices, which
            is the convention that the parameter counts of the paper's tables agree with.
    """
    norms = sum(2 * n_channels for n_channels in stem_widths(shape.channels, shape.stem))
    total, channels = sum(_stem_weights(shape)) + norms, shape.channels
    for place in _places(architecture, shape):
        channels = place.channels
        if place.kind == "reduction":
            total += 2 * (channels // 2 * channels + 2 * channels)
        total += sum(_edge_parameters(edge, channels) for edge in set(place.cell.edges))
        n_slices = len(place.cell.blocks if slices == "all" else place.cell.outputs)
        total += n_slices * channels**2 + 2 * channels
    return total + (channels + 1) * shape.n_classes


def count_macs(architecture: Architecture, shape: NetworkShape) -> int:
    """Multiply-adds of all convolutions and the linear layer for one image.

    Batch norms, pools and sums are left out; an operation that both branches of a block apply to
    one input runs, and counts, twice; the depthwise half of `dil_1x1` counts though an executor
    may fold it into the pointwise one.
    """
    total, channels = _stem_macs(shape), shape.channels
    for place in _places(architecture, shape):
        channels = place.channels
        weights = sum(_edge_weights(edge, channels) for edge in place.cell.edges)
        weights += len(place.cell.outputs) * channels**2
        if place.kind == "reduction":
            weights += 2 * (channels // 2) * channels
        total += weights * place.size**2
    return total + channels * shape.n_classes


def _places(architecture: Architecture, shape: NetworkShape) -> Iterator[_Place]:
    channels, size = shape.channels, shape.first_size
    for kind in shape.cells:
        if kind == "reduction":
            channels, size = 2 * channels, size // 2
        yield _Place(kind, architecture.cell(kind), channels, size)


def _stem_weights(shape: NetworkShape) -> list[int]:
    """Weights of every convolution of the stem."""
    widths = stem_widths(shape.channels, shape.stem)
    pairs = zip((shape.image_channels, *widths), widths, strict=False)
    return [_STEM_KERNEL**2 * n_in * n_out for n_in, n_out in pairs]


def _stem_macs(shape: NetworkShape) -> int:
    total, size = 0, shape.image_size
    for weights in _stem_weights(shape):
        size = size if shape.stem == "plain" else -(-size // 2)
        total += weights * size**2
    return total


def _edge_weights(edge: Edge, channels: int) -> int:
    """Convolution weights of an operation; every one is used once per pixel."""
    kernel = OPERATIONS[edge.operation].kernel
    return channels * kernel**2 + channels**2 if kernel else 0


def _edge_parameters(edge: Edge, channels: int) -> int:
    n_norms = {"separable": 2, "dilated": 1}.get(OPERATIONS[edge.operation].kind, 0)
    return _edge_weights(edge, channels) + n_norms * 2 * channels
