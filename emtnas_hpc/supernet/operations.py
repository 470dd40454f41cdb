"""The nine candidate operations, batch norm, and the masks of dropout and drop path."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.space.architecture import N_BLOCKS, N_REDUCTIONS, NetworkShape, Operation
from emtnas_hpc.supernet.convolutions import (
    Convolution,
    Depthwise,
    DilatedDepthwise,
    convolve,
    pointwise,
)

MOMENTUM = 0.1
EPSILON = 1e-5

#: Whose statistics an evaluation uses: the individual's own from training images, those of every
#: evaluated batch itself, or the shared running ones. `settings` defines the same three values: it
#: may not import torch.
BatchNormMode = Literal["recalibrated", "batch", "running"]


class BatchNorm(nn.Module):
    """The weights and shared running statistics of one batch norm; all are `(n_channels,)`."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_channels))
        self.bias = nn.Parameter(torch.empty(n_channels))
        self.register_buffer("running_mean", torch.empty(n_channels))
        self.register_buffer("running_var", torch.empty(n_channels))


#: How to normalise `(n, channels, height, width)` with a batch norm's weights.
Normalise = Callable[[BatchNorm, Tensor], Tensor]


def training(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the batch's own statistics and moves the shared running ones toward them."""
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, True, MOMENTUM, EPSILON
    )


def running(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the shared running statistics, as the authors' code evaluates."""
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, MOMENTUM, EPSILON
    )


def batch(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the batch's own statistics and stores nothing."""
    return F.batch_norm(x, None, None, norm.weight, norm.bias, True, MOMENTUM, EPSILON)


class Recalibration:
    """An individual's own statistics, kept beside the network, which stays as it is.

    One pass with `measure` over a batch of training images, then any number with `apply`.
    """

    def __init__(self) -> None:
        self._statistics: dict[BatchNorm, tuple[Tensor, Tensor]] = {}

    def measure(self, norm: BatchNorm, x: Tensor) -> Tensor:
        """Normalises by the batch's own statistics and remembers them."""
        mean, var = torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)
        # With a momentum of one, torch's running statistics are this batch's.
        out = F.batch_norm(x, mean, var, norm.weight, norm.bias, True, 1.0, EPSILON)
        self._statistics[norm] = mean, var
        return out

    def apply(self, norm: BatchNorm, x: Tensor) -> Tensor:
        """Normalises by the remembered statistics."""
        mean, var = self._statistics[norm]
        return F.batch_norm(x, mean, var, norm.weight, norm.bias, False, MOMENTUM, EPSILON)


class Node:
    """An input or a block of a cell; its ReLU is computed once, for all that read it."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    @cached_property
    def rectified(self) -> Tensor:
        """The ReLU of the value."""
        return F.relu(self.value)


class EdgeOperation(nn.Module):
    """An operation on an edge: maps a node to a tensor of the same shape."""

    def forward(self, node: Node, normalise: Normalise) -> Tensor:
        """Applies the operation."""
        raise NotImplementedError


class Separable(EdgeOperation):
    """ReLU, depthwise, batch norm, ReLU, pointwise, batch norm."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = Depthwise(n_channels, kernel)
        self.inner_norm = BatchNorm(n_channels)
        self.pointwise = Convolution(n_channels, n_channels)
        self.norm = BatchNorm(n_channels)

    def forward(self, node: Node, normalise: Normalise) -> Tensor:
        """Applies the operation."""
        x = normalise(self.inner_norm, self.depthwise(node.rectified))
        return normalise(self.norm, self.pointwise(F.relu_(x)))


class Dilated(EdgeOperation):
    """ReLU, depthwise of dilation 2, pointwise, batch norm."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = DilatedDepthwise(n_channels, kernel)
        self.pointwise = Convolution(n_channels, n_channels)
        self.norm = BatchNorm(n_channels)

    def forward(self, node: Node, normalise: Normalise) -> Tensor:
        """Applies the operation."""
        return normalise(self.norm, self.pointwise(self.depthwise(node.rectified)))


class DilatedPoint(EdgeOperation):
    """The dilated operation whose stored kernel is 1x1: both convolutions fold into one."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.depthwise = Depthwise(n_channels, kernel=1)
        self.pointwise = Convolution(n_channels, n_channels)
        self.norm = BatchNorm(n_channels)

    def forward(self, node: Node, normalise: Normalise) -> Tensor:
        """Applies the operation."""
        weight = self.pointwise.weight * self.depthwise.weight.transpose(0, 1)
        return normalise(self.norm, pointwise(node.rectified, weight))


class Identity(EdgeOperation):
    """The node as it is."""

    def forward(self, node: Node, normalise: Normalise) -> Tensor:  # noqa: ARG002
        """Applies the operation."""
        return node.value


class MaxPool(EdgeOperation):
    """ReLU, 3x3 max pooling."""

    def forward(self, node: Node, normalise: Normalise) -> Tensor:  # noqa: ARG002
        """Applies the operation."""
        return F.max_pool2d(node.rectified, 3, stride=1, padding=1)


class AveragePool(EdgeOperation):
    """ReLU, 3x3 average pooling that counts its padding."""

    def forward(self, node: Node, normalise: Normalise) -> Tensor:  # noqa: ARG002
        """Applies the operation."""
        # As a convolution it takes a third of the time of torch's pooling on a CPU.
        x = node.rectified
        ninth = x.new_full((x.shape[1], 1, 3, 3), 1 / 9)
        return convolve(x, ninth)


def make_operation(operation: Operation, n_channels: int) -> EdgeOperation:
    """Makes the module of a candidate operation."""
    match operation.kind:
        case "separable":
            return Separable(n_channels, operation.kernel)
        case "dilated" if operation.kernel == 1:
            return DilatedPoint(n_channels)
        case "dilated":
            return Dilated(n_channels, operation.kernel)
        case "identity":
            return Identity()
        case "max_pool":
            return MaxPool()
        case "average_pool":
            return AveragePool()


@dataclass(frozen=True)
class Masks:
    """What one mini-batch is multiplied by; None multiplies nothing.

    Attributes:
        features: dropout before the classifier, `(batch_size, n_features)`.
        branches: drop path, one number a branch, `(n_cells, n_blocks, 2)`.
    """

    features: Tensor | None = None
    branches: Tensor | None = None


NO_MASKS = Masks()


def draw_masks(
    shape: NetworkShape,
    batch_size: int,
    generator: torch.Generator,
    *,
    dropout: float,
    drop_path: float,
) -> Masks:
    """Draws the masks of one mini-batch; what is kept is divided by its probability.

    Args:
        shape: of the network.
        batch_size: images in the mini-batch.
        generator: the masks are made on its device.
        dropout: probability to drop a feature of an image.
        drop_path: probability to drop a branch, identities included, for the whole mini-batch.
    """
    n_features = shape.channels * 2**N_REDUCTIONS
    return Masks(
        features=_keep((batch_size, n_features), 1 - dropout, generator) if dropout else None,
        branches=_keep((len(shape.cells), N_BLOCKS, 2), 1 - drop_path, generator)
        if drop_path
        else None,
    )


def _keep(size: tuple[int, ...], probability: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(size, generator=generator, device=generator.device) < probability
    return kept / probability
