import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from emtnas_hpc.space.architecture import (
    GENE_RANGES,
    N_GENES,
    CellArchitecture,
    Edge,
    decode,
    encode,
    random_chromosome,
)

CHROMOSOMES = st.tuples(*(st.integers(0, n - 1) for n in GENE_RANGES))


@given(CHROMOSOMES)
def test_decoding_and_encoding_are_inverse(chromosome: tuple[int, ...]) -> None:
    assert encode(decode(chromosome)) == chromosome


@given(CHROMOSOMES)
def test_every_block_is_either_consumed_or_concatenated(chromosome: tuple[int, ...]) -> None:
    cell = decode(chromosome).normal
    consumed = {edge.source - 2 for edge in cell.edges if edge.source >= 2}
    assert sorted([*consumed, *cell.outputs]) == [0, 1, 2, 3, 4]
    assert 4 in cell.outputs


def test_the_reduction_cell_comes_first_in_a_chromosome() -> None:
    genes = [0] * N_GENES
    genes[2], genes[23] = 8, 7
    architecture = decode(tuple(genes))
    assert architecture.cell("reduction").blocks[0] == (Edge(0, 0, 8), Edge(0, 0, 0))
    assert architecture.cell("normal").blocks[0] == (Edge(0, 0, 0), Edge(0, 0, 7))


def test_a_cell_knows_which_of_its_inputs_it_ignores() -> None:
    cell = CellArchitecture(((Edge(0, 1, 6), Edge(0, 1, 6)), (Edge(1, 2, 6), Edge(1, 1, 6))))
    assert not cell.uses(0)
    assert cell.uses(1)


def test_of_random_cells_one_in_36_ignores_an_input_and_none_ignores_both() -> None:
    rng = np.random.default_rng(0)
    architectures = [decode(random_chromosome(rng)) for _ in range(3000)]
    cells = [cell for a in architectures for cell in (a.reduction, a.normal)]
    for cell_input in (0, 1):
        ignoring = sum(not cell.uses(cell_input) for cell in cells)
        assert binomtest(ignoring, len(cells), 1 / 36).pvalue > 1e-3
    assert all(cell.uses(0) or cell.uses(1) for cell in cells)


def test_an_edge_reads_as_an_operation_on_an_input() -> None:
    assert str(Edge(0, 1, 0)) == "sep_3x3(x_prev)"
    assert str(Edge(3, 4, 8)) == "avg_3x3(block2)"


@given(CHROMOSOMES)
def test_blocks_can_be_read_by_the_names_of_operations_and_inputs(
    chromosome: tuple[int, ...],
) -> None:
    cell = decode(chromosome).normal
    for block, named in zip(cell.blocks, cell.named_blocks, strict=True):
        assert [f"{operation}({source})" for operation, source in named] == [*map(str, block)]
