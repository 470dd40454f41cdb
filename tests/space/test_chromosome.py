import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.architecture import GENE_RANGES, N_GENES, check_chromosome, random_chromosome


@given(st.integers(0, 2**32 - 1))
def test_a_random_chromosome_is_valid(seed: int) -> None:
    chromosome = random_chromosome(np.random.Generator(np.random.PCG64(seed)))
    assert check_chromosome(chromosome) == chromosome
    assert all(type(gene) is int for gene in chromosome)


def test_every_candidate_of_every_gene_is_drawn() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    seen = [set(genes) for genes in zip(*(random_chromosome(rng) for _ in range(500)), strict=True)]
    assert seen == [set(range(n)) for n in GENE_RANGES]


def test_a_block_chooses_among_both_cell_inputs_and_all_earlier_blocks() -> None:
    assert GENE_RANGES[0:20:4] == (2, 3, 4, 5, 6)
    assert GENE_RANGES[:20] == GENE_RANGES[20:]


def test_too_few_genes_are_refused() -> None:
    with pytest.raises(InputError, match="has 40 genes, found 39"):
        check_chromosome((0,) * (N_GENES - 1))


@pytest.mark.parametrize("gene", [-1, 9])
def test_a_gene_outside_its_candidates_is_refused_by_position(gene: int) -> None:
    genes = [0] * N_GENES
    genes[39] = gene
    with pytest.raises(InputError, match=f"gene 39 is {gene}, expected 0 to 8"):
        check_chromosome(genes)
