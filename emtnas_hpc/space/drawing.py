"""A cell drawn as text, for a terminal or a log."""

from emtnas_hpc.space.architecture import INPUT_NAMES, N_CELL_INPUTS, Cell


def draw_cell(cell: Cell) -> str:
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
