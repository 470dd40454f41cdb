"""A chromosome: 40 genes, each drawn from a candidate set that its position fixes.

Two cells, reduction first; five blocks a cell; four genes a block: `(input_a, input_b, op_a,
op_b)`. Block i chooses its inputs among 2 + i candidates: 0 is the previous cell's output (`x`), 1
the one before it (`x_prev`), 2 onwards the earlier blocks of the same cell.
"""

from collections.abc import Sequence

import numpy as np

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.operations import N_OPERATIONS

Chromosome = tuple[int, ...]

N_CELLS = 2
N_BLOCKS = 5
GENES_PER_BLOCK = 4
N_GENES = N_CELLS * N_BLOCKS * GENES_PER_BLOCK

#: Number of candidates of every gene, in order of position.
GENE_RANGES: tuple[int, ...] = tuple(
    n
    for _cell in range(N_CELLS)
    for block in range(N_BLOCKS)
    for n in (2 + block, 2 + block, N_OPERATIONS, N_OPERATIONS)
)


def random_chromosome(rng: np.random.Generator) -> Chromosome:
    """Draws every gene uniformly from its candidates."""
    return tuple(int(gene) for gene in rng.integers(GENE_RANGES))


def check_chromosome(genes: Sequence[int]) -> Chromosome:
    """Returns the genes as a chromosome.

    Raises:
        InputError: the number of genes is wrong, or one is outside its candidates.
    """
    if len(genes) != N_GENES:
        raise InputError(f"a chromosome has {N_GENES} genes, found {len(genes)}")
    for position, (gene, n) in enumerate(zip(genes, GENE_RANGES, strict=True)):
        if not 0 <= gene < n:
            raise InputError(f"gene {position} is {gene}, expected 0 to {n - 1}")
    return tuple(int(gene) for gene in genes)
