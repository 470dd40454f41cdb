"""Parameters of many architectures at once: a hundred times as fast as one by one."""

import numpy as np

from emtnas_hpc.report.figures.trace import Genes, Integers
from emtnas_hpc.space.architecture import N_CELL_INPUTS, decode
from emtnas_hpc.space.chromosome import GENES_PER_BLOCK, N_BLOCKS, N_CELLS, N_GENES
from emtnas_hpc.space.counts import count_parameters
from emtnas_hpc.space.operations import N_OPERATIONS, OPERATIONS
from emtnas_hpc.space.shape import NetworkShape

_IDENTITY = next(i for i, operation in enumerate(OPERATIONS) if operation.kind == "identity")


def parameters_of(chromosomes: Genes, shape: NetworkShape) -> Integers:
    """What `space.counts.count_parameters` says of every chromosome.

    A count is a sum over blocks and outputs. Its terms are read off that function, so there is one
    formula only.

    Args:
        chromosomes: `(n, 40)`.
        shape: the frame that they are put into.
    """
    genes = chromosomes.reshape(-1, N_CELLS, N_BLOCKS, GENES_PER_BLOCK)
    source_a, source_b, operation_a, operation_b = np.moveaxis(genes, -1, 0)
    twice = (source_a == source_b) & (operation_a == operation_b)
    base, of_operation, of_output = _terms(shape)
    total = np.full(len(genes), base)
    for cell in range(N_CELLS):
        a, b = of_operation[cell][operation_a[:, cell]], of_operation[cell][operation_b[:, cell]]
        total += (a + np.where(twice[:, cell], 0, b)).sum(axis=1)
        total += of_output[cell] * (_n_outputs(genes[:, cell]) - N_BLOCKS)
    return total


def _n_outputs(cells: Genes) -> Integers:
    sources = cells[..., :2].reshape(len(cells), -1)
    blocks = np.arange(N_CELL_INPUTS, N_CELL_INPUTS + N_BLOCKS)
    consumed: Integers = (sources[:, :, None] == blocks).any(axis=1).sum(axis=1)
    return N_BLOCKS - consumed


def _terms(shape: NetworkShape) -> tuple[int, Integers, list[int]]:
    """Parameters of a network of identities that are all outputs, of an operation, of an output.

    The latter two by cell. Identity has none, so a single gene's change shows what another has.
    """
    identity = np.zeros((N_CELLS, N_BLOCKS, GENES_PER_BLOCK), np.int64)
    identity[..., 2:] = _IDENTITY
    base = _count(identity, shape)
    of_operation = np.zeros((N_CELLS, N_OPERATIONS), np.int64)
    of_output = []
    for cell in range(N_CELLS):
        for operation in range(N_OPERATIONS):
            of_operation[cell, operation] = _count(_with(identity, (cell, 0, 2), operation), shape)
        reading_block0 = _with(identity, (cell, 1, 0), N_CELL_INPUTS)
        of_output.append(base - _count(reading_block0, shape))
    return base, of_operation - base, of_output


def _with(genes: Integers, where: tuple[int, int, int], value: int) -> Integers:
    changed = genes.copy()
    changed[where] = value
    return changed


def _count(genes: Integers, shape: NetworkShape) -> int:
    return count_parameters(decode(tuple(genes.reshape(N_GENES).tolist())), shape)
