"""A cell, and the way that an individual takes through it."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.space.architecture import N_CELL_INPUTS, Edge
from emtnas_hpc.space.architecture import Cell as CellArchitecture
from emtnas_hpc.space.chromosome import N_BLOCKS
from emtnas_hpc.space.operations import N_OPERATIONS, OPERATIONS
from emtnas_hpc.space.shape import CellKind
from emtnas_hpc.supernet.batch_norm import BatchNorm, Normalise
from emtnas_hpc.supernet.convolution import Convolution, pointwise
from emtnas_hpc.supernet.operations import EdgeOperation, Node, make_operation

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
            cell: the individual's cell of this kind.
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
        self, x: Node, x_prev: Node, path: CellPath, normalise: Normalise, branches: Tensor | None
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
            return x, x  # nobody reads the first of them
        nodes = [x, x_prev]
        for block, ((source_a, op_a), (source_b, op_b)) in enumerate(path.blocks):
            a, b = op_a(nodes[source_a], normalise), op_b(nodes[source_b], normalise)
            if branches is not None:
                a, b = a * branches[block, 0], b * branches[block, 1]
            nodes.append(Node(a + b))
        outputs = {block: nodes[N_CELL_INPUTS + block] for block in path.outputs}
        return Node(self.output(outputs, normalise)), x
