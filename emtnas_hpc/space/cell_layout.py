"""Where the parts of a cell stand when it is drawn from left to right.

Every node has a row of its own, so the wire that leaves it runs along that row without meeting
another node, and bends only in the gap before the column of its reader.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from emtnas_hpc.space.architecture import INPUT_NAMES, N_CELL_INPUTS, Cell, Edge
from emtnas_hpc.space.chromosome import N_BLOCKS
from emtnas_hpc.space.operations import OPERATIONS

#: Lengths in pixels.
ROW = 52.0
GAP = 46.0
NODE_WIDTH, NODE_HEIGHT = 50.0, 26.0
LABEL_WIDTH, LABEL_HEIGHT = 62.0, 19.0
MARGIN = 8.0
_STUB = 12.0
_COLUMN = GAP + LABEL_WIDTH + _STUB + NODE_WIDTH
_OUTPUT_PORT = 14.0


@dataclass(frozen=True)
class Box:
    """A node, or the label of an edge.

    Attributes:
        text: what stands in it.
        kind: "node", or the family of an edge's operation.
        x: of its left side.
        y: of its centre.
        width: in pixels.
        height: in pixels.
        unread: whether nothing in the cell reads it.
    """

    text: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    unread: bool = False

    @property
    def right(self) -> float:
        """The x of its right side."""
        return self.x + self.width


@dataclass(frozen=True)
class Wire:
    """A line that runs level from its start to `bend`, and on to its end in an S."""

    start: tuple[float, float]
    bend: float
    end: tuple[float, float]


@dataclass(frozen=True)
class CellLayout:
    """A drawn cell: wires, then boxes over them."""

    width: float
    height: float
    wires: tuple[Wire, ...]
    boxes: tuple[Box, ...]


def lay_out(cell: Cell) -> CellLayout:
    """Places the inputs, blocks, edge labels and output of a cell."""
    rows = _rows(cell)
    nodes = _nodes(cell, rows)
    wires, labels = [], []
    for block in cell.blocks:
        for edge, y in _ports(block, nodes):
            node = nodes[N_CELL_INPUTS + edge.block]
            label = _label(edge, node.x, y)
            labels.append(label)
            source = nodes[edge.source]
            wires.append(Wire((source.right, source.y), label.x - GAP, (label.x, y)))
            stub = (label.right, y)
            wires.append(Wire(stub, label.right, (node.x, node.y + (y - node.y) / 3)))
    output = _output(cell, nodes)
    wires += _concatenation(cell, nodes, output)
    return CellLayout(
        output.right + MARGIN, len(nodes) * ROW, tuple(wires), (*labels, *nodes, output)
    )


def _depths(cell: Cell) -> list[int]:
    """The column of every node: inputs 0, a block one more than the deeper of its sources."""
    depths = [0] * N_CELL_INPUTS
    for block in cell.blocks:
        depths.append(1 + max(depths[edge.source] for edge in block))
    return depths


def _rows(cell: Cell) -> list[int]:
    """The row of every node: `x_prev` on top, `x` below, blocks so that wires rise little."""
    first, last = 0, N_BLOCKS + N_CELL_INPUTS - 1

    def climb(order: Sequence[int]) -> int:
        rows = (last, first, *order)
        edges = sum(abs(rows[e.source] - rows[N_CELL_INPUTS + e.block]) for e in cell.edges)
        return 2 * edges + sum(abs(2 * order[block] - last) for block in cell.outputs)

    return [last, first, *min(permutations(range(first + 1, last)), key=climb)]


def _nodes(cell: Cell, rows: Sequence[int]) -> list[Box]:
    """The two inputs and the blocks, in the numbering of an edge's source."""
    names = (*INPUT_NAMES[:N_CELL_INPUTS], *(f"block{block}" for block in range(N_BLOCKS)))
    return [
        Box(
            name,
            "node",
            MARGIN + depth * _COLUMN,
            (row + 0.5) * ROW,
            NODE_WIDTH,
            NODE_HEIGHT,
            unread=source < N_CELL_INPUTS and not cell.uses(source),
        )
        for source, (name, depth, row) in enumerate(zip(names, _depths(cell), rows, strict=True))
    ]


def _ports(block: tuple[Edge, Edge], nodes: Sequence[Box]) -> Iterator[tuple[Edge, float]]:
    """The two edges of a block, the one that comes from further up above the other."""
    y = nodes[N_CELL_INPUTS + block[0].block].y
    upper, lower = sorted(block, key=lambda edge: nodes[edge.source].y)
    yield upper, y - LABEL_HEIGHT / 2 - 1.5
    yield lower, y + LABEL_HEIGHT / 2 + 1.5


def _label(edge: Edge, node_x: float, y: float) -> Box:
    operation = OPERATIONS[edge.operation]
    x = node_x - _STUB - LABEL_WIDTH
    return Box(operation.name, operation.kind, x, y, LABEL_WIDTH, LABEL_HEIGHT)


def _output(cell: Cell, nodes: Sequence[Box]) -> Box:
    read = [nodes[N_CELL_INPUTS + block].y for block in cell.outputs]
    x = max(node.right for node in nodes) + GAP
    height = max(NODE_HEIGHT, _OUTPUT_PORT * len(read) + 4)
    y = min(max(sum(read) / len(read), height / 2), len(nodes) * ROW - height / 2)
    return Box("output", "node", x, y, NODE_WIDTH, height)


def _concatenation(cell: Cell, nodes: Sequence[Box], output: Box) -> Iterator[Wire]:
    sources = sorted((nodes[N_CELL_INPUTS + block] for block in cell.outputs), key=lambda n: n.y)
    top = output.y - _OUTPUT_PORT * (len(sources) - 1) / 2
    for i, source in enumerate(sources):
        end = (output.x, top + i * _OUTPUT_PORT)
        yield Wire((source.right, source.y), output.x - GAP, end)
