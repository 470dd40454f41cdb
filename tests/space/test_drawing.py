from emtnas_hpc.space.architecture import N_GENES, decode, parse_genotype
from emtnas_hpc.space.drawing import draw_cell

CELL = (
    "sep_3x3(x) + max_3x3(x_prev), dil_5x5(block0) + identity(x), avg_3x3(block1) + sep_7x7(x), "
    "dil_1x1(x) + dil_3x3(x), sep_5x5(block3) + identity(block0)"
)


def test_a_cell_is_drawn_a_line_a_block_and_what_is_concatenated() -> None:
    cell = parse_genotype(f"reduction: {CELL}; normal: {CELL}").normal
    assert draw_cell(cell).splitlines() == [
        "block0  sep_3x3(x)      + max_3x3(x_prev)",
        "block1  dil_5x5(block0) + identity(x)",
        "block2  avg_3x3(block1) + sep_7x7(x)",
        "block3  dil_1x1(x)      + dil_3x3(x)",
        "block4  sep_5x5(block3) + identity(block0)",
        "output  block2, block4",
    ]


def test_an_input_that_no_block_reads_is_named() -> None:
    lines = draw_cell(decode((0,) * N_GENES).normal).splitlines()
    assert lines[-2:] == ["output  block0, block1, block2, block3, block4", "unread  x_prev"]
