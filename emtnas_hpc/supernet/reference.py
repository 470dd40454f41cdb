"""The method read module by module: the executable specification of `Network`.

The way the authors' code works: NCHW, torch's own modules, a ReLU before every operation, nothing
shared, folded or skipped.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.space.architecture import (
    N_REDUCTIONS,
    OPERATIONS,
    Architecture,
    CellKind,
    Edge,
    NetworkShape,
    Operation,
    stem_widths,
)
from emtnas_hpc.space.architecture import Cell as CellArchitecture
from emtnas_hpc.supernet.network import NO_MASKS, Network, edge_name
from emtnas_hpc.supernet.operations import Masks


class ReferenceSeparable(nn.Module):
    """ReLU, depthwise, batch norm, ReLU, pointwise, batch norm."""

    def __init__(self, n: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(n, n, kernel, padding=kernel // 2, groups=n, bias=False)
        self.inner_norm = nn.BatchNorm2d(n)
        self.pointwise = nn.Conv2d(n, n, 1, bias=False)
        self.norm = nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, c, h, w)` to the same shape."""
        x = self.inner_norm(self.depthwise(F.relu(x)))
        out: Tensor = self.norm(self.pointwise(F.relu(x)))
        return out


class ReferenceDilated(nn.Module):
    """ReLU, depthwise of dilation 2, pointwise, batch norm."""

    def __init__(self, n: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            n, n, kernel, padding=kernel - 1, dilation=2, groups=n, bias=False
        )
        self.pointwise = nn.Conv2d(n, n, 1, bias=False)
        self.norm = nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, c, h, w)` to the same shape."""
        out: Tensor = self.norm(self.pointwise(self.depthwise(F.relu(x))))
        return out


def reference_operation(operation: Operation, n_channels: int) -> nn.Module:
    """The module of an operation."""
    match operation.kind:
        case "separable":
            return ReferenceSeparable(n_channels, operation.kernel)
        case "dilated":
            return ReferenceDilated(n_channels, operation.kernel)
        case "identity":
            return nn.Identity()
        case "max_pool":
            return nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=1, padding=1))
        case "average_pool":
            return nn.Sequential(nn.ReLU(), nn.AvgPool2d(3, stride=1, padding=1))


class ReferenceProjection(nn.Module):
    """2x2 average pool, 1x1 convolution to twice the channels, batch norm."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.convolution = nn.Conv2d(n_in, 2 * n_in, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * n_in)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, c, h, w)` to `(n, 2c, h // 2, w // 2)`."""
        out: Tensor = self.norm(self.convolution(self.pool(x)))
        return out


class ReferenceOutput(nn.Module):
    """1x1 convolution back to C channels, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, n_in, h, w)` to `(n, n_out, h, w)`."""
        out: Tensor = self.norm(self.convolution(F.relu(x)))
        return out


class ReferenceCell(nn.Module):
    """One cell of one architecture."""

    def __init__(self, kind: CellKind, cell: CellArchitecture, n_channels: int) -> None:
        super().__init__()
        self.cell = cell
        self.kind = kind
        if kind == "reduction":
            self.project_x = ReferenceProjection(n_channels // 2)
            self.project_x_prev = ReferenceProjection(n_channels // 2)
        self.edges = nn.ModuleDict(
            {
                edge_name(edge): reference_operation(OPERATIONS[edge.operation], n_channels)
                for edge in cell.edges
            }
        )
        self.output = ReferenceOutput(len(cell.outputs) * n_channels, n_channels)

    def branch(self, edge: Edge, nodes: list[Tensor]) -> Tensor:
        """One branch of a block."""
        x: Tensor = self.edges[edge_name(edge)](nodes[edge.source])
        return x

    def forward(self, x: Tensor, x_prev: Tensor, branches: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps `x`, `x_prev` and the cell's drop path, `(n_blocks, 2)`, to the next ones."""
        if self.kind == "reduction":
            x, x_prev = self.project_x(x), self.project_x_prev(x_prev)
        nodes = [x, x_prev]
        for number, (edge_a, edge_b) in enumerate(self.cell.blocks):
            a, b = self.branch(edge_a, nodes), self.branch(edge_b, nodes)
            if branches is not None:
                a, b = a * branches[number, 0], b * branches[number, 1]
            nodes.append(a + b)
        outputs = torch.cat([nodes[2 + block] for block in self.cell.outputs], dim=1)
        return self.output(outputs), x


class ReferenceConvolution(nn.Module):
    """3x3 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, n_in, h, w)` to `(n, n_out, h / stride, w / stride)`, rounded up."""
        out: Tensor = self.norm(self.convolution(x))
        return out


class ReferenceStridedStem(nn.Module):
    """Three convolutions of stride 2, ReLU between them."""

    def __init__(self, image_channels: int, channels: int) -> None:
        super().__init__()
        half, first, second = stem_widths(channels, "strided")
        self.layers = nn.ModuleList(
            [
                ReferenceConvolution(image_channels, half, stride=2),
                ReferenceConvolution(half, first, stride=2),
                ReferenceConvolution(first, second, stride=2),
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Maps `(n, image_channels, h, w)` to `(n, channels, h / 8, w / 8)`, rounded up."""
        x = F.relu(self.layers[0](images))
        x = F.relu(self.layers[1](x))
        out: Tensor = self.layers[2](x)
        return out


def reference_stem(shape: NetworkShape) -> nn.Module:
    """The module of a stem."""
    if shape.stem == "plain":
        return ReferenceConvolution(shape.image_channels, shape.channels, stride=1)
    return ReferenceStridedStem(shape.image_channels, shape.channels)


class Reference(nn.Module):
    """A network of one architecture, built of torch's own modules."""

    def __init__(self, shape: NetworkShape, architecture: Architecture) -> None:
        super().__init__()
        n = shape.channels
        self.stem = reference_stem(shape)
        self.cells = nn.ModuleList()
        for kind in shape.cells:
            n = 2 * n if kind == "reduction" else n
            self.cells.append(ReferenceCell(kind, architecture.cell(kind), n))
        self.classifier = nn.Linear(shape.channels * 2**N_REDUCTIONS, shape.n_classes)

    def forward(self, images: Tensor, masks: Masks = NO_MASKS) -> Tensor:
        """Maps `(n, image_channels, h, w)` to logits, `(n, n_classes)`."""
        x = x_prev = self.stem(images)
        for number, cell in enumerate(self.cells):
            x, x_prev = cell(x, x_prev, None if masks.branches is None else masks.branches[number])
        features = x.mean(dim=(2, 3))
        if masks.features is not None:
            features = features * masks.features
        logits: Tensor = self.classifier(F.relu(features))
        return logits


def in_reference_form(tensors: dict[str, Tensor], reference: Reference) -> dict[str, Tensor]:
    """Renames a network's tensors (weights, gradients, statistics) to a reference's.

    The names agree but for the slices of a cell's output, which the reference has in one.

    Args:
        tensors: by their name in a `Network` that holds the reference's architecture.
        reference: whose names to use.
    """
    renamed = {}
    for name in reference.state_dict():
        if name.endswith("output.convolution.weight"):
            number = int(name.split(".")[1])
            prefix = name.removesuffix("convolution.weight")
            cell = reference.get_submodule(f"cells.{number}")
            assert isinstance(cell, ReferenceCell)
            slices = [f"{prefix}slices.{block}.weight" for block in cell.cell.outputs]
            if all(slice_name in tensors for slice_name in slices):
                renamed[name] = torch.cat([tensors[s] for s in slices], dim=1)
        elif name in tensors:
            renamed[name] = tensors[name]
    return renamed


def make_reference(network: Network, architecture: Architecture) -> Reference:
    """A reference with copies of the weights and statistics that an individual uses."""
    # Whatever torch's own initialisation draws is overwritten; the global generator stays put.
    with torch.random.fork_rng(devices=[]):
        reference = Reference(network.shape, architecture).to(network.weights.dtype)
    tensors = in_reference_form(network.state_dict(), reference)
    missing, unexpected = reference.load_state_dict(tensors, strict=False)
    left = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not left
    assert not unexpected
    return reference
