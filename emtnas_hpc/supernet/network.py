"""The one network class: a supernet, or one architecture as a network of its own."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.architecture import (
    MIN_IMAGE_SIZE,
    N_BLOCKS,
    N_CELL_INPUTS,
    N_OPERATIONS,
    N_REDUCTIONS,
    OPERATIONS,
    Architecture,
    CellArchitecture,
    CellKind,
    Edge,
    NetworkShape,
    stem_widths,
)
from emtnas_hpc.supernet import weights
from emtnas_hpc.supernet.convolutions import Convolution, pointwise
from emtnas_hpc.supernet.operations import (
    NO_MASKS,
    BatchNorm,
    EdgeOperation,
    Masks,
    Node,
    Normalise,
    make_operation,
)

#: Every edge that some individual may select, block by block.
ALL_EDGES: tuple[Edge, ...] = tuple(
    Edge(block, source, operation)
    for block in range(N_BLOCKS)
    for source in range(N_CELL_INPUTS + block)
    for operation in range(N_OPERATIONS)
)


def edge_name(edge: Edge) -> str:
    """What an edge's operation is called in a network and in its files."""
    return f"block{edge.block}_input{edge.source}_{OPERATIONS[edge.operation].name}"


@dataclass(frozen=True)
class CellPath:
    """What of a cell runs for one individual; only what reaches the logits does.

    Attributes:
        needs_x: whether `x` is read, by this cell or by the next as its `x_prev`.
        needs_x_prev: whether this cell reads `x_prev`.
        blocks: for every block (source, operation) twice; empty where nothing reads the output.
        outputs: the blocks whose channels are concatenated and projected to the output.
    """

    needs_x: bool
    needs_x_prev: bool
    blocks: tuple[tuple[tuple[int, EdgeOperation], tuple[int, EdgeOperation]], ...]
    outputs: tuple[int, ...]


class Projection(nn.Module):
    """Halves the resolution and doubles the channels of an input of a reduction cell."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.convolution = Convolution(n_in, 2 * n_in)
        self.norm = BatchNorm(2 * n_in)

    def forward(self, node: Node, normalise: Normalise) -> Node:
        """Maps `(n, c, h, w)` to `(n, 2c, h // 2, w // 2)`."""
        return Node(normalise(self.norm, self.convolution(F.avg_pool2d(node.value, 2))))


class Output(nn.Module):
    """ReLU, 1x1 convolution of the concatenated blocks back to C channels, batch norm.

    The weight is stored as one C x C slice a block; the slices in use are concatenated.
    """

    def __init__(self, n_channels: int, blocks: Iterable[int]) -> None:
        super().__init__()
        self.slices = nn.ModuleDict({str(b): Convolution(n_channels, n_channels) for b in blocks})
        self.norm = BatchNorm(n_channels)

    def weights(self, blocks: Iterable[int]) -> list[nn.Parameter]:
        """The slices of these blocks, each `(c, c, 1, 1)`."""
        return [self.slices.get_submodule(str(block)).get_parameter("weight") for block in blocks]

    def forward(self, nodes: dict[int, Node], normalise: Normalise) -> Tensor:
        """Maps blocks, by number, to the cell's output."""
        # ReLU before, not after: it makes the strided gradients of the concatenation dense
        # again, on which the backward of batch norm takes 4 ms instead of 60.
        x = torch.cat([node.rectified for node in nodes.values()], dim=1)
        weight = torch.cat(tuple(self.weights(nodes)), dim=1)
        return normalise(self.norm, pointwise(x, weight))


class Cell(nn.Module):
    """The operations of one cell.

    Args:
        kind: a reduction cell projects its inputs first.
        n_channels: of the cell's blocks and output.
        edges: those that it holds.
        outputs: the blocks that may be outputs.
    """

    def __init__(
        self,
        kind: CellKind,
        n_channels: int,
        edges: Iterable[Edge],
        outputs: Iterable[int],
    ) -> None:
        super().__init__()
        self.kind = kind
        if kind == "reduction":
            self.project_x = Projection(n_channels // 2)
            self.project_x_prev = Projection(n_channels // 2)
        self.edges = nn.ModuleDict(
            {
                edge_name(edge): make_operation(OPERATIONS[edge.operation], n_channels)
                for edge in edges
            }
        )
        self.output = Output(n_channels, outputs)

    def operation(self, edge: Edge) -> EdgeOperation:
        """The operation of an edge."""
        operation = self.edges[edge_name(edge)]
        assert isinstance(operation, EdgeOperation)
        return operation

    def path(self, cell: CellArchitecture, needs_output: bool, needs_kept: bool) -> CellPath:
        """The way of an individual through this cell.

        Args:
            cell: the individual's.
            needs_output: whether the output is read.
            needs_kept: whether the next cell reads this cell's `x` as its `x_prev`.
        """
        return CellPath(
            needs_x=needs_kept or (needs_output and cell.uses(0)),
            needs_x_prev=needs_output and cell.uses(1),
            blocks=tuple(
                ((a.source, self.operation(a)), (b.source, self.operation(b)))
                for a, b in cell.blocks
            )
            if needs_output
            else (),
            outputs=cell.outputs,
        )

    def parameters_of(self, path: CellPath) -> Iterable[nn.Parameter]:
        """The parameters that get a gradient, some perhaps twice."""
        if self.kind == "reduction" and path.needs_x:
            yield from self.project_x.parameters()
        if self.kind == "reduction" and path.needs_x_prev:
            yield from self.project_x_prev.parameters()
        if path.blocks:
            for block in path.blocks:
                for _source, operation in block:
                    yield from operation.parameters()
            yield from self.output.weights(path.outputs)
            yield from self.output.norm.parameters()

    def forward(
        self,
        x: Node,
        x_prev: Node,
        path: CellPath,
        normalise: Normalise,
        *,
        branches: Tensor | None,
    ) -> tuple[Node, Node]:
        """Runs the cell for one individual.

        Args:
            x: the previous cell's output.
            x_prev: the one before it.
            path: what runs.
            normalise: how batch norm is done.
            branches: drop path, `(n_blocks, 2)`.

        Returns:
            The next cell's `x` and `x_prev`.
        """
        if self.kind == "reduction":
            x = self.project_x(x, normalise) if path.needs_x else x
            x_prev = self.project_x_prev(x_prev, normalise) if path.needs_x_prev else x_prev
        if not path.blocks:
            return x, x  # nothing reads the first of them
        nodes = [x, x_prev]
        for block, ((source_a, op_a), (source_b, op_b)) in enumerate(path.blocks):
            a, b = op_a(nodes[source_a], normalise), op_b(nodes[source_b], normalise)
            if branches is not None:
                a, b = a * branches[block, 0], b * branches[block, 1]
            nodes.append(Node(a + b))
        outputs = {block: nodes[N_CELL_INPUTS + block] for block in path.outputs}
        return Node(self.output(outputs, normalise)), x


class Stem(nn.Module):
    """3x3 convolution of the images to C channels, batch norm."""

    def __init__(self, image_channels: int, n_channels: int) -> None:
        super().__init__()
        self.convolution = Convolution(image_channels, n_channels, kernel=3)
        self.norm = BatchNorm(n_channels)

    def forward(self, images: Tensor, normalise: Normalise) -> Node:
        """Maps `(n, image_channels, h, w)` to `(n, c, h, w)`."""
        return Node(normalise(self.norm, self.convolution(images)))


class StridedConvolution(nn.Module):
    """3x3 convolution of stride 2, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = Convolution(n_in, n_out, kernel=3, stride=2)
        self.norm = BatchNorm(n_out)

    def forward(self, x: Tensor, normalise: Normalise) -> Tensor:
        """Maps `(n, n_in, h, w)` to `(n, n_out, h / 2, w / 2)`, rounded up."""
        return normalise(self.norm, self.convolution(x))


class StridedStem(nn.Module):
    """Three 3x3 convolutions of stride 2, to C/2, C and C channels; batch norm, ReLU between."""

    def __init__(self, image_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = pairwise((image_channels, *widths))
        self.layers = nn.ModuleList(StridedConvolution(n_in, n_out) for n_in, n_out in channels)

    def forward(self, images: Tensor, normalise: Normalise) -> Node:
        """Maps `(n, image_channels, h, w)` to `(n, c, h / 8, w / 8)`, rounded up."""
        x = self.layers[0](images, normalise)
        for layer in self.layers[1:]:
            x = layer(F.relu(x), normalise)
        return Node(x)


def make_stem(shape: NetworkShape) -> nn.Module:
    """Makes the module of a network's stem."""
    if shape.stem == "plain":
        return Stem(shape.image_channels, shape.channels)
    return StridedStem(shape.image_channels, stem_widths(shape.channels, shape.stem))


class Classifier(nn.Module):
    """Global average pool, dropout, ReLU, linear."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_classes, n_features))
        self.bias = nn.Parameter(torch.empty(n_classes))

    def forward(self, x: Tensor, dropout: Tensor | None) -> Tensor:
        """Maps `(n, n_features, h, w)` to logits, `(n, n_classes)`."""
        # A mean, not adaptive pooling, whose backward is not deterministic on CUDA.
        features = x.mean(dim=(2, 3))
        if dropout is not None:
            features = features * dropout
        return F.linear(F.relu(features), self.weight, self.bias)


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fills a network's weights and statistics, in the order of its modules.

    Convolutions: Kaiming normal, fan-in, each C x C slice of a cell's output for itself. Batch
    norm: the identity. The linear layer: uniform within 1 / sqrt(fan-in), torch's own default.
    """
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.weight.fill_(1)
            module.running_var.fill_(1)
        elif isinstance(module, Convolution):
            fan_in = module.weight[0].numel()
            module.weight.copy_(_empty(module.weight, generator).normal_(generator=generator))
            module.weight.mul_(math.sqrt(2 / fan_in))
        elif isinstance(module, Classifier):
            bound = 1 / math.sqrt(module.weight.shape[1])
            for parameter in module.parameters():
                draw = _empty(parameter, generator)
                parameter.copy_(draw.uniform_(-bound, bound, generator=generator))


def _empty(parameter: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(parameter.shape, dtype=parameter.dtype, device=generator.device)


@dataclass(frozen=True)
class SampledPath:
    """An individual's way through a network, as `Network.path` plans it.

    Attributes:
        cells: from the stem to the classifier.
        parameters: exactly those that get a gradient. 5.6 % of random cells ignore one of
            their inputs; what then does not reach the logits is neither run nor trained.
    """

    architecture: Architecture
    cells: tuple[CellPath, ...]
    parameters: tuple[nn.Parameter, ...]


#: Plans kept; a generation meets at most twice the population of different ones.
MAX_PATHS = 512


class Network(nn.Module):
    """All individuals of a task, sharing weights; or one architecture with weights of its own.

    All parameters are views into one block of memory, all batch norm statistics into another.
    A network is made where it stays: it cannot be moved or cast.

    Args:
        shape: width, depth and interface.
        architecture: the only one that the network holds; None for a supernet, which holds a copy
            of every operation for every block and candidate input of every cell.
        generator: draws the initial weights, on its own device.
        dtype: of weights and statistics.
        device: of weights and statistics.

    Raises:
        InputError: less than `MIN_IMAGE_SIZE` of the images' size is left behind the stem.
    """

    def __init__(
        self,
        shape: NetworkShape,
        architecture: Architecture | None,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if shape.first_size < MIN_IMAGE_SIZE:
            behind = "" if shape.stem == "plain" else f", {shape.first_size} behind the stem"
            raise InputError(
                f"images of {shape.image_size} pixels{behind}, expected at least "
                f"{MIN_IMAGE_SIZE}: a network halves them twice"
            )
        self.shape = shape
        self.architecture = architecture
        self.device = torch.device(device)
        with torch.device("meta"):
            self.stem = make_stem(shape)
            self.cells = nn.ModuleList(_make_cells(shape, architecture))
            n_features = shape.channels * 2**N_REDUCTIONS
            self.classifier = Classifier(n_features, shape.n_classes)
        self.weights, self.weights_layout = weights.pack_parameters(self, dtype, self.device)
        self.statistics, self.statistics_layout = weights.pack_buffers(self, dtype, self.device)
        initialise(self, generator)
        self._paths: dict[Architecture, SampledPath] = {}

    def path(self, architecture: Architecture) -> SampledPath:
        """The plan of an individual.

        Raises:
            InputError: a stand-alone network does not hold this architecture.
        """
        if architecture not in self._paths:
            if self.architecture not in (None, architecture):
                raise InputError(
                    "a stand-alone network runs the architecture that it was made for, found "
                    "another: make a network for it, or use the supernet"
                )
            if len(self._paths) == MAX_PATHS:
                del self._paths[next(iter(self._paths))]
            self._paths[architecture] = self._plan(architecture)
        return self._paths[architecture]

    def _plan(self, architecture: Architecture) -> SampledPath:
        """Follows an individual from the logits back to the stem, keeping what is read."""
        cells = [cell for cell in self.cells if isinstance(cell, Cell)]
        paths: list[CellPath] = []
        needs_output, needs_kept = True, False
        for cell in reversed(cells):
            path = cell.path(architecture.cell(cell.kind), needs_output, needs_kept)
            paths.insert(0, path)
            # A cell's x is the output of the one before it, its x_prev what that one kept.
            needs_output, needs_kept = path.needs_x, path.needs_x_prev
        parameters = [*self.stem.parameters()]
        for cell, path in zip(cells, paths, strict=True):
            parameters.extend(cell.parameters_of(path))
        parameters.extend(self.classifier.parameters())
        return SampledPath(architecture, tuple(paths), tuple(dict.fromkeys(parameters)))

    def forward(
        self, images: Tensor, path: SampledPath, normalise: Normalise, masks: Masks = NO_MASKS
    ) -> Tensor:
        """Classifies images with one individual.

        Args:
            images: `(n, image_channels, image_size, image_size)`, normalised.
            path: the individual's plan, from `path`.
            normalise: how batch norm is done, such as `operations.training`.
            masks: dropout and drop path of this mini-batch.

        Returns:
            Logits, `(n, n_classes)`.
        """
        x = x_prev = self.stem(images.contiguous(memory_format=torch.channels_last), normalise)
        branches = masks.branches if masks.branches is not None else [None] * len(path.cells)
        for cell, cell_path, kept in zip(self.cells, path.cells, branches, strict=True):
            x, x_prev = cell(x, x_prev, cell_path, normalise, branches=kept)
        logits: Tensor = self.classifier(x.value, masks.features)
        return logits

    def _apply(self, *_arguments: Any, **_named: Any) -> NoReturn:
        raise TypeError("a network stays where it is made: give it its device and dtype then")


def _make_cells(shape: NetworkShape, architecture: Architecture | None) -> list[Cell]:
    cells = []
    n_channels = shape.channels
    for kind in shape.cells:
        if kind == "reduction":
            n_channels = 2 * n_channels
        edges: Iterable[Edge] = ALL_EDGES
        outputs: Iterable[int] = range(N_BLOCKS)
        if architecture is not None:
            cell = architecture.cell(kind)
            edges, outputs = dict.fromkeys(cell.edges), cell.outputs
        cells.append(Cell(kind, n_channels, edges, outputs))
    return cells
