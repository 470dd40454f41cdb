"""A cell as a matplotlib figure, for a PDF; the SVG is drawn without matplotlib."""

from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from emtnas_hpc.space.architecture import Cell
from emtnas_hpc.space.cell_layout import Box, Wire, lay_out
from emtnas_hpc.space.picture import FAINT, FILLS, INK, WIRE

#: Pixels of a cell's layout in an inch.
_PIXELS = 96.0


def draw_cell(cell: Cell) -> Figure:
    """Draws the same as `space.picture.draw_cell_svg`."""
    layout = lay_out(cell)
    width, height = layout.width, layout.height
    figure = Figure(figsize=(width / _PIXELS, height / _PIXELS))
    # Without axes: making and clearing them takes longer than all that is drawn.
    place = Affine2D().scale(1 / width, -1 / height).translate(0, 1) + figure.transFigure
    for patches in (map(_wire, layout.wires), map(_box, layout.boxes)):
        figure.add_artist(PatchCollection(list(patches), match_original=True, transform=place))
    for box in layout.boxes:
        ink = FAINT if box.unread else INK
        x, y = place.transform((box.x + box.width / 2, box.y)) / figure.bbox.size
        figure.text(x, y, box.text, ha="center", va="center", color=ink, fontsize=8)
    return figure


def _wire(wire: Wire) -> PathPatch:
    (_x, y), (end_x, end_y) = wire.start, wire.end
    middle = (wire.bend + end_x) / 2
    points = [wire.start, (wire.bend, y), (middle, y), (middle, end_y), wire.end]
    codes = [Path.MOVETO, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return PathPatch(Path(points, codes), fill=False, edgecolor=WIRE, lw=1.05)


def _box(box: Box) -> FancyBboxPatch:
    is_node = box.kind == "node"
    return FancyBboxPatch(
        (box.x, box.y - box.height / 2),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={5 if is_node else 9}",
        facecolor=FILLS[box.kind],
        edgecolor=FILLS[box.kind] if not is_node else FAINT if box.unread else INK,
        linestyle="--" if box.unread else "-",
        lw=0.75,
    )
