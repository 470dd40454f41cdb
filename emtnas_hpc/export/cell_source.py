"""The source of a cell, written out block by block."""

from collections.abc import Iterator
from textwrap import indent

from emtnas_hpc.export.operation_source import applied, has_weights, made
from emtnas_hpc.space.architecture import INPUT_NAMES, Cell, Edge
from emtnas_hpc.space.drawing import draw_cell
from emtnas_hpc.space.shape import CellKind

_PURPOSE = {
    "reduction": "Halves the resolution and doubles the channels.",
    "normal": "Keeps resolution and channels.",
}
_BRANCHES = "ab"


def cell_class(kind: CellKind) -> str:
    """What the class of a cell is called."""
    return f"{kind.capitalize()}Cell"


def cell_source(kind: CellKind, cell: Cell) -> str:
    """The class of a cell."""
    lines = [
        f"class {cell_class(kind)}(nn.Module):",
        f'    """{_PURPOSE[kind]}',
        "",
        indent(draw_cell(cell), " " * 4),
        '    """',
        "",
        "    def __init__(self, channels: int) -> None:",
        *_indented(_attributes(kind, cell)),
        "",
        "    def forward(self, x: Tensor, x_prev: Tensor) -> tuple[Tensor, Tensor]:",
        '        """Maps the previous cell\'s output and its input to those of this one."""',
        *_indented(_statements(kind, cell)),
    ]
    return "\n".join(lines) + "\n"


def edge_modules(cell: Cell) -> dict[Edge, str]:
    """The attribute of every edge with weights; both branches of a block may be one edge."""
    names: dict[Edge, str] = {}
    for block in cell.blocks:
        for branch, edge in zip(_BRANCHES, block, strict=True):
            if has_weights(edge):
                names.setdefault(edge, f"block{edge.block}_{branch}")
    return names


def _attributes(kind: CellKind, cell: Cell) -> Iterator[str]:
    yield "super().__init__()"
    if kind == "reduction":
        yield "self.project_x = Projection(channels // 2, channels)"
        yield "self.project_x_prev = Projection(channels // 2, channels)"
    for edge, name in edge_modules(cell).items():
        yield f"self.{name} = {made(edge)}  # {edge}"
    width = "channels" if len(cell.outputs) == 1 else f"{len(cell.outputs)} * channels"
    yield f"self.output = Output({width}, channels)"


def _statements(kind: CellKind, cell: Cell) -> Iterator[str]:
    if kind == "reduction":
        yield "x = self.project_x(x)"
        if cell.uses(1):
            yield "x_prev = self.project_x_prev(x_prev)"
        else:
            yield "# No block reads x_prev: its projection has weights, but need not run."
    modules = edge_modules(cell)
    for number, block in enumerate(cell.blocks):
        a, b = (applied(e, modules.get(e, ""), INPUT_NAMES[e.source]) for e in block)
        yield f"block{number} = {a} + {b}"
    blocks = ", ".join(f"block{block}" for block in cell.outputs)
    if len(cell.outputs) > 1:
        blocks = f"torch.cat([{blocks}], dim=1)"
    yield f"return self.output({blocks}), x"


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"        {line}" for line in lines]
