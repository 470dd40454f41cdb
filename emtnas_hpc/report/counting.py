"""Parameters and MACs of many architectures at once: a hundred times as fast as one by one."""

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np

from emtnas_hpc.report.search_arrays import Genes, Integers
from emtnas_hpc.space.architecture import (
    GENES_PER_BLOCK,
    N_BLOCKS,
    N_CELL_INPUTS,
    N_CELLS,
    N_GENES,
    N_OPERATIONS,
    OPERATIONS,
    NetworkShape,
    decode,
)
from emtnas_hpc.space.counts import Slices, count_macs, count_parameters

Counts = Callable[[Genes, NetworkShape], Integers]

_Quantity = Literal["in_use", "all", "macs"]
_IDENTITY = next(i for i, operation in enumerate(OPERATIONS) if operation.kind == "identity")


def parameters_of(chromosomes: Genes, shape: NetworkShape, slices: Slices = "in_use") -> Integers:
    """What `space.counts.count_parameters` says of every chromosome.

    A count is a sum over blocks and outputs. Its terms are read off that function, so there is one
    formula only.

    Args:
        chromosomes: `(n, 40)`.
        shape: the frame that they are put into.
        slices: which output slices count.
    """
    return _sums(chromosomes, shape, slices)


def macs_of(chromosomes: Genes, shape: NetworkShape) -> Integers:
    """What `space.counts.count_macs` says of every chromosome, `(n, 40)`."""
    return _sums(chromosomes, shape, "macs")


def _sums(chromosomes: Genes, shape: NetworkShape, quantity: _Quantity) -> Integers:
    genes = chromosomes.reshape(-1, N_CELLS, N_BLOCKS, GENES_PER_BLOCK)
    source_a, source_b, operation_a, operation_b = np.moveaxis(genes, -1, 0)
    # Both branches alike: their parameters are there once, but they are computed twice.
    once = (source_a == source_b) & (operation_a == operation_b) & (quantity != "macs")
    base, of_operation, of_output = _terms(shape, quantity)
    total = np.full(len(genes), base)
    for cell in range(N_CELLS):
        a, b = of_operation[cell][operation_a[:, cell]], of_operation[cell][operation_b[:, cell]]
        total += (a + np.where(once[:, cell], 0, b)).sum(axis=1)
        total += of_output[cell] * (_n_outputs(genes[:, cell]) - N_BLOCKS)
    return total


def _n_outputs(cells: Genes) -> Integers:
    sources = cells[..., :2].reshape(len(cells), -1)
    blocks = np.arange(N_CELL_INPUTS, N_CELL_INPUTS + N_BLOCKS)
    consumed: Integers = (sources[:, :, None] == blocks).any(axis=1).sum(axis=1)
    return N_BLOCKS - consumed


@cache
def _terms(shape: NetworkShape, quantity: _Quantity) -> tuple[int, Integers, list[int]]:
    """What a network of identities that are all outputs has, an operation, an output.

    The latter two by cell. Identity has nothing, so a single gene's change shows what another has.
    """
    identity = np.zeros((N_CELLS, N_BLOCKS, GENES_PER_BLOCK), np.int64)
    identity[..., 2:] = _IDENTITY
    base = _count(identity, shape, quantity)
    of_operation = np.zeros((N_CELLS, N_OPERATIONS), np.int64)
    of_output = []
    for cell in range(N_CELLS):
        for operation in range(N_OPERATIONS):
            changed = _with(identity, (cell, 0, 2), operation)
            of_operation[cell, operation] = _count(changed, shape, quantity)
        reading_block0 = _with(identity, (cell, 1, 0), N_CELL_INPUTS)
        of_output.append(base - _count(reading_block0, shape, quantity))
    return base, of_operation - base, of_output


def _with(genes: Integers, where: tuple[int, int, int], value: int) -> Integers:
    changed = genes.copy()
    changed[where] = value
    return changed


def _count(genes: Integers, shape: NetworkShape, quantity: _Quantity) -> int:
    architecture = decode(tuple(genes.reshape(N_GENES).tolist()))
    if quantity == "macs":
        return count_macs(architecture, shape)
    return count_parameters(architecture, shape, quantity)
