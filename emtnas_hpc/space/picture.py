"""A cell as a picture: SVG as text, in which every colour is one of a few."""

from xml.sax.saxutils import escape

from emtnas_hpc.space.architecture import Cell
from emtnas_hpc.space.cell_layout import Box, CellLayout, Wire, lay_out
from emtnas_hpc.space.drawing import draw_cell

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


def draw_cell_svg(cell: Cell, title: str) -> str:
    """Draws a cell from left to right, its edges labelled and unread inputs greyed.

    Args:
        cell: what to draw.
        title: for who cannot see it, and as a tip; the cell as text is its description.
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
