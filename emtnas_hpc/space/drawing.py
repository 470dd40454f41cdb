"""A cell as text and as an SVG picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from xml.sax.saxutils import escape

from emtnas_hpc.space.architecture import (
    INPUT_NAMES,
    N_BLOCKS,
    N_CELL_INPUTS,
    OPERATIONS,
    CellArchitecture,
    Edge,
)

# A cell is drawn from left to right. Every node has a row of its own, so the wire that leaves it
# runs along that row and meets no other node; it bends only in the gap before its reader's column.

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


def lay_out(cell: CellArchitecture) -> CellLayout:
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


def _depths(cell: CellArchitecture) -> list[int]:
    """The column of every node: inputs 0, a block one more than the deeper of its sources."""
    depths = [0] * N_CELL_INPUTS
    for block in cell.blocks:
        depths.append(1 + max(depths[edge.source] for edge in block))
    return depths


def _rows(cell: CellArchitecture) -> list[int]:
    """The row of every node: `x_prev` on top, `x` below, blocks so that wires rise little."""
    first, last = 0, N_BLOCKS + N_CELL_INPUTS - 1

    def climb(order: Sequence[int]) -> int:
        rows = (last, first, *order)
        edges = sum(abs(rows[e.source] - rows[N_CELL_INPUTS + e.block]) for e in cell.edges)
        return 2 * edges + sum(abs(2 * order[block] - last) for block in cell.outputs)

    return [last, first, *min(permutations(range(first + 1, last)), key=climb)]


def _nodes(cell: CellArchitecture, rows: Sequence[int]) -> list[Box]:
    """The two inputs and the blocks, in the numbering of an edge's source."""
    names = (*INPUT_NAMES[:N_CELL_INPUTS], *(f"block{block}" for block in range(N_BLOCKS)))
    return [
        Box(
            name,
            "node",
            MARGIN + depth * _COLUMN,
            (row + 0.5) * ROW,
            width=NODE_WIDTH,
            height=NODE_HEIGHT,
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
    return Box(operation.name, operation.kind, x, y, width=LABEL_WIDTH, height=LABEL_HEIGHT)


def _output(cell: CellArchitecture, nodes: Sequence[Box]) -> Box:
    read = [nodes[N_CELL_INPUTS + block].y for block in cell.outputs]
    x = max(node.right for node in nodes) + GAP
    height = max(NODE_HEIGHT, _OUTPUT_PORT * len(read) + 4)
    y = min(max(sum(read) / len(read), height / 2), len(nodes) * ROW - height / 2)
    return Box("output", "node", x, y, width=NODE_WIDTH, height=height)


def _concatenation(cell: CellArchitecture, nodes: Sequence[Box], output: Box) -> Iterator[Wire]:
    sources = sorted((nodes[N_CELL_INPUTS + block] for block in cell.outputs), key=lambda n: n.y)
    top = output.y - _OUTPUT_PORT * (len(sources) - 1) / 2
    for i, source in enumerate(sources):
        end = (output.x, top + i * _OUTPUT_PORT)
        yield Wire((source.right, source.y), output.x - GAP, end)


def draw_cell(cell: CellArchitecture) -> str:
    """Draws a cell: a line for every block, then what is concatenated, then what nothing reads.

    block0  sep_3x3(x)      + max_3x3(x_prev)
    block1  dil_5x5(block0) + identity(x)
    ...
    output  block1, block3, block4
    unread  x_prev
    """
    width = max(len(str(a)) for a, _b in cell.blocks)
    lines = [f"block{i}  {a!s:{width}} + {b}" for i, (a, b) in enumerate(cell.blocks)]
    lines.append("output  " + ", ".join(f"block{block}" for block in cell.outputs))
    unread = [INPUT_NAMES[source] for source in range(N_CELL_INPUTS) if not cell.uses(source)]
    if unread:
        lines.append("unread  " + ", ".join(unread))
    return "\n".join(lines)


INK = "#1b1b1f"
FAINT = "#8b8b93"
WIRE = "#5f6b7a"
NODE = "#f4f4f6"
#: Of an edge's label, by the family of its operation.
FILLS = {
    "separable": "#cfe4f6",
    "dilated": "#fbdcc3",
    "identity": "#e4e4e9",
    "max_pool": "#c9ecdf",
    "average_pool": "#c9ecdf",
    "node": NODE,
}
_FONT = "font: 11px system-ui, sans-serif; text-anchor: middle"
#: From a text's baseline up to the middle of its small letters.
_MIDDLE = 3.7


def draw_cell_svg(cell: CellArchitecture, title: str) -> str:
    """Draws a cell from left to right, its edges labelled and unread inputs greyed.

    Args:
        cell: what to draw.
        title: for screen readers, and as a tip; the cell as text is its description.
    """
    layout = lay_out(cell)
    width, height = _number(layout.width), _number(layout.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(draw_cell(cell))}</desc>",
        *_body(layout),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _body(layout: CellLayout) -> list[str]:
    wires = [f'<path d="{_path(wire)}"/>' for wire in layout.wires]
    group = f'<g style="fill: none; stroke: {WIRE}; stroke-width: 1.4">'
    return [group, *wires, "</g>", *(_box(box) for box in layout.boxes)]


def _path(wire: Wire) -> str:
    (x, y), (end_x, end_y) = wire.start, wire.end
    middle = (wire.bend + end_x) / 2
    curve = (middle, y, middle, end_y, end_x, end_y)
    return f"M{_numbers(x, y)} H{_number(wire.bend)} C{_numbers(*curve)}"


def _box(box: Box) -> str:
    is_node = box.kind == "node"
    stroke = "none" if not is_node else FAINT if box.unread else INK
    dashes = "; stroke-dasharray: 4 3" if box.unread else ""
    ink = FAINT if box.unread else INK
    place = (
        f'x="{_number(box.x)}" y="{_number(box.y - box.height / 2)}" '
        f'width="{_number(box.width)}" height="{_number(box.height)}" rx="{5 if is_node else 9}"'
    )
    return (
        f'<rect {place} style="fill: {FILLS[box.kind]}; stroke: {stroke}{dashes}"/>'
        f'<text x="{_number(box.x + box.width / 2)}" y="{_number(box.y + _MIDDLE)}" '
        f'style="{_FONT}; fill: {ink}">{escape(box.text)}</text>'
    )


def _numbers(*values: float) -> str:
    return " ".join(map(_number, values))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
