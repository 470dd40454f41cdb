"""The nine candidate operations: ReLU before every convolution, batch norm after."""

from functools import cached_property

from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.space.operations import Operation
from emtnas_hpc.supernet.batch_norm import BatchNorm, Normalise
from emtnas_hpc.supernet.convolution import Convolution, pointwise
from emtnas_hpc.supernet.depthwise import Depthwise, DilatedDepthwise, convolve


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
