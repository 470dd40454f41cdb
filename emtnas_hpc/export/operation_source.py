"""The source of the candidate operations in plain torch, one text a family."""

from emtnas_hpc.space.architecture import Architecture, Edge
from emtnas_hpc.space.operations import OPERATIONS, Kind

_SEPARABLE = '''\
class Separable(nn.Module):
    """ReLU, depthwise convolution, batch norm, ReLU, pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.inner_norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (n, channels, height, width)."""
        x = self.inner_norm(self.depthwise(F.relu(x)))
        return self.norm(self.pointwise(F.relu(x)))
'''

_DILATED = '''\
class Dilated(nn.Module):
    """ReLU, depthwise convolution of dilation 2, pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel - 1, dilation=2, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (n, channels, height, width)."""
        return self.norm(self.pointwise(self.depthwise(F.relu(x))))
'''

_MAX_POOL = '''\
def max_3x3(x: Tensor) -> Tensor:
    """ReLU, max pooling that keeps the shape."""
    return F.max_pool2d(F.relu(x), 3, stride=1, padding=1)
'''

_AVERAGE_POOL = '''\
def avg_3x3(x: Tensor) -> Tensor:
    """ReLU, average pooling that keeps the shape and counts its padding."""
    return F.avg_pool2d(F.relu(x), 3, stride=1, padding=1)
'''

#: An identity needs no source.
_SOURCES: dict[Kind, str] = {
    "separable": _SEPARABLE,
    "dilated": _DILATED,
    "max_pool": _MAX_POOL,
    "average_pool": _AVERAGE_POOL,
}
_CLASSES: dict[Kind, str] = {"separable": "Separable", "dilated": "Dilated"}


def operation_sources(architecture: Architecture) -> list[str]:
    """The source of every family that an architecture uses."""
    edges = (*architecture.reduction.edges, *architecture.normal.edges)
    used = {OPERATIONS[edge.operation].kind for edge in edges}
    return [source for kind, source in _SOURCES.items() if kind in used]


def has_weights(edge: Edge) -> bool:
    """Whether an edge's operation is a module with weights, and not just a function."""
    return OPERATIONS[edge.operation].kind in _CLASSES


def made(edge: Edge) -> str:
    """The expression that makes the module of an edge with weights."""
    operation = OPERATIONS[edge.operation]
    return f"{_CLASSES[operation.kind]}(channels, kernel={operation.kernel})"


def applied(edge: Edge, module: str, source: str) -> str:
    """The expression of an edge.

    Args:
        edge: what is applied.
        module: the cell's attribute that holds its weights, if it has any.
        source: the variable that it is applied to.
    """
    operation = OPERATIONS[edge.operation]
    if operation.kind == "identity":
        return source
    return f"self.{module}({source})" if has_weights(edge) else f"{operation.name}({source})"
