import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest

from emtnas_hpc.space.architecture import N_GENES, CellArchitecture, decode, random_chromosome
from emtnas_hpc.space.drawing import FAINT, Box, draw_cell, draw_cell_svg, lay_out

SVG = "{http://www.w3.org/2000/svg}"


def random_cells(n: int) -> list[CellArchitecture]:
    rng = np.random.default_rng(0)
    return [decode(random_chromosome(rng)).normal for _ in range(n)]


CELLS = random_cells(30)
#: Every operation of every block reads `x`.
ONLY_X = decode((0,) * N_GENES).normal


def parse(cell: CellArchitecture) -> ElementTree.Element:
    return ElementTree.fromstring(draw_cell_svg(cell, "a cell"))


def overlap(a: Box, b: Box) -> bool:
    apart_x = a.right <= b.x or b.right <= a.x
    apart_y = abs(a.y - b.y) >= (a.height + b.height) / 2
    return not (apart_x or apart_y)


@pytest.mark.parametrize("cell", CELLS[:5])
def test_a_picture_names_every_node_and_every_operation(cell: CellArchitecture) -> None:
    texts = [element.text for element in parse(cell).iter(f"{SVG}text")]
    blocks = [f"block{i}" for i in range(5)]
    operations = [str(edge).partition("(")[0] for edge in cell.edges]
    assert sorted(texts) == sorted([*operations, "x", "x_prev", *blocks, "output"])


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_covers_anything_else_or_leaves_the_picture(cell: CellArchitecture) -> None:
    layout = lay_out(cell)
    assert not [pair for pair in combinations(layout.boxes, 2) if overlap(*pair)]
    for box in layout.boxes:
        assert box.x >= 0
        assert box.right <= layout.width
        assert box.y - box.height / 2 >= 0
        assert box.y + box.height / 2 <= layout.height


@pytest.mark.parametrize("cell", CELLS)
def test_a_level_wire_meets_no_box(cell: CellArchitecture) -> None:
    layout = lay_out(cell)
    for wire in layout.wires:
        (start, y), bend = wire.start, wire.bend
        level = Box("", "", start + 0.1, y, bend - start - 0.2, 0.1)
        assert not [box for box in layout.boxes if bend > start + 1 and overlap(level, box)]


@pytest.mark.parametrize("cell", CELLS[:5])
def test_every_edge_and_every_output_has_its_wire(cell: CellArchitecture) -> None:
    # An edge has one to its label and one from there.
    assert len(lay_out(cell).wires) == 2 * 10 + len(cell.outputs)


@pytest.mark.parametrize("cell", CELLS)
def test_it_is_read_from_left_to_right(cell: CellArchitecture) -> None:
    for wire in lay_out(cell).wires:
        assert wire.start[0] <= wire.bend < wire.end[0]


def test_an_input_that_nothing_reads_is_greyed() -> None:
    grey = [e.text for e in parse(ONLY_X).iter(f"{SVG}text") if FAINT in e.attrib["style"]]
    assert grey == ["x_prev"]


def test_who_cannot_see_it_is_told_the_cell_as_text() -> None:
    root = parse(ONLY_X)
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{SVG}title") == "a cell"
    assert root.findtext(f"{SVG}desc") == draw_cell(ONLY_X)


def test_a_title_may_hold_any_character() -> None:
    root = ElementTree.fromstring(draw_cell_svg(ONLY_X, "<a> & b"))
    assert root.findtext(f"{SVG}title") == "<a> & b"


def test_the_same_cell_is_the_same_text() -> None:
    assert draw_cell_svg(CELLS[0], "t") == draw_cell_svg(CELLS[0], "t")
