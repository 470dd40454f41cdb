"""The operators on chromosomes. Pure: they return new chromosomes and know no individuals."""

import numpy as np

from emtnas_hpc.space.chromosome import GENE_RANGES, GENES_PER_BLOCK, N_GENES, Chromosome

N_ALL_BLOCKS = N_GENES // GENES_PER_BLOCK


def block_crossover(
    a: Chromosome, b: Chromosome, rng: np.random.Generator
) -> tuple[Chromosome, Chromosome]:
    """Swaps each of the 10 blocks (4 genes) of two chromosomes with probability 1/2.

    Section 3.3 of the paper; whether a pair is crossed at all (CP) is decided before.
    """
    swapped = np.repeat(rng.random(N_ALL_BLOCKS) < 0.5, GENES_PER_BLOCK).tolist()
    pairs = [(y, x) if swap else (x, y) for x, y, swap in zip(a, b, swapped, strict=True)]
    return tuple(x for x, _y in pairs), tuple(y for _x, y in pairs)


def bit_mutation(chromosome: Chromosome, rate: float, rng: np.random.Generator) -> Chromosome:
    """Replaces each gene with probability `rate` by a uniform draw from its candidates.

    The draw may return the gene that was there.
    """
    return _replace(chromosome, rng.random(N_GENES) < rate, rng.integers(GENE_RANGES))


def step_mutation(chromosome: Chromosome, rate: float, rng: np.random.Generator) -> Chromosome:
    """Moves each gene with probability `rate` by +1 or -1, wrapping around its candidates.

    The authors' code, not the paper. A gene of two candidates flips.
    """
    hit = rng.random(N_GENES) < rate
    step = 2 * rng.integers(2, size=N_GENES) - 1
    return _replace(chromosome, hit, (np.array(chromosome) + step) % GENE_RANGES)


def _replace(chromosome: Chromosome, hit: np.ndarray, new: np.ndarray) -> Chromosome:
    return tuple(np.where(hit, new, chromosome).tolist())
