"""How different the individuals of a subpopulation are."""

import numpy as np

from emtnas_hpc.report.figures.trace import Floats, Genes, Integers, Trace


def subpopulation_genes(trace: Trace, task: int) -> Genes:
    """The chromosomes of a task's survivors, `(T, its share, 40)`; the share never changes."""
    ids = trace.population[trace.tasks[trace.population] == task]
    genes: Genes = trace.chromosomes[ids.reshape(trace.generation, -1)]
    return genes


def distinct_chromosomes(genes: Genes) -> Integers:
    """How many different chromosomes there are, `(T,)`."""
    return np.array([len({row.tobytes() for row in generation}) for generation in genes])


def mean_hamming_distance(genes: Genes) -> Floats:
    """Genes in which two individuals differ, mean over all pairs, `(T,)`; 0 for a single one."""
    _generations, n, n_genes = genes.shape
    if n < 2:
        return np.zeros(len(genes))
    equal = np.zeros(len(genes), np.int64)
    for value in range(int(genes.max()) + 1):
        count = (genes == value).sum(axis=1)
        equal += (count * (count - 1)).sum(axis=1)
    distances: Floats = n_genes - equal / (n * (n - 1))
    return distances
