"""Searches as arrays: over generations, seeds and parents, and the sizes of many architectures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from emtnas_hpc.search.history import Header, History, generation_columns, individual_columns
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

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Genes = npt.NDArray[np.uint8]

#: The parts that a search's time is split into, in order.
TIME_PARTS = ("training", "evaluation", "search")


@dataclass(frozen=True)
class Trace:
    """One search up to its newest generation; T generations, K tasks, n individuals.

    Attributes:
        header: what holds for the whole search.
        true_fitness: of the fittest, `(T, K)` in [0, 1]; nan where it was not measured.
        sampled_accuracy: of the same individuals on one mini-batch, `(T, K)` in [0, 1].
        seconds: sums over generations, `(K, 3)` in order of `TIME_PARTS`.
        population: ids of the survivors, `(T, P)`.
        incumbents: ids, `(K,)`.
        chromosomes: of all individuals, `(n, 40)`; an individual's id is its index.
        tasks: their skill factors, `(n,)`.
        n_steps: mini-batches that each was trained on, `(n,)`; equal ones count for the eldest.
        born: generations of their birth from 1, `(n,)`.
        parents: ids or -1, `(n, 2)`.
        accuracies: theirs on one mini-batch each, `(n,)` in [0, 1].
    """

    header: Header
    true_fitness: Floats
    sampled_accuracy: Floats
    seconds: Floats
    population: Integers
    incumbents: Integers
    chromosomes: Genes
    tasks: Integers
    n_steps: Integers
    born: Integers
    parents: Integers
    accuracies: Floats

    @property
    def generation(self) -> int:
        """The newest generation."""
        return len(self.population)

    @property
    def finished(self) -> bool:
        """Whether the search has reached its last generation."""
        return self.generation >= self.header.n_generations


def trace_of(history: History) -> Trace:
    """The arrays of a history that has at least one generation."""
    individuals, generations = individual_columns(history), generation_columns(history)
    seconds = [generations[f"seconds_{part}"].sum(axis=0) for part in TIME_PARTS]
    n_tasks = len(history.header.tasks)
    return Trace(
        header=history.header,
        true_fitness=generations["true_fitness"],
        sampled_accuracy=individuals["sampled_accuracy"][generations["fittest"]],
        seconds=np.stack(seconds, axis=1),
        population=generations["population"].astype(np.int64),
        incumbents=np.array([history.incumbent(task).id for task in range(n_tasks)]),
        chromosomes=individuals["chromosome"],
        tasks=individuals["skill_factor"].astype(np.int64),
        n_steps=individuals["n_steps"].astype(np.int64),
        born=individuals["generation"].astype(np.int64),
        parents=np.stack([individuals["parent_a"], individuals["parent_b"]], axis=1),
        accuracies=individuals["sampled_accuracy"],
    )


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


def transfer_counts(trace: Trace) -> tuple[Integers, Integers]:
    """Children by the generation of their birth, the foreign parent's task and their own.

    Individuals without parents, which were drawn at random, are no children.

    Returns:
        Those born and those of them that survived their first selection, `(T, K, K)` each; the
        diagonals count children without a foreign parent.
    """
    # Who is in no population did not survive its first selection: nobody returns.
    entered = np.zeros(len(trace.born), bool)
    entered[trace.population] = True
    children = trace.parents.max(axis=1) >= 0
    return _counts(trace, children), _counts(trace, children & entered)


def foreign_tasks(trace: Trace) -> Integers:
    """Task of every individual's foreign parent; its own task where it has none, `(n,)`."""
    parents_tasks = np.where(trace.parents >= 0, trace.tasks[trace.parents], trace.tasks[:, None])
    first, second = parents_tasks.T
    foreign: Integers = np.where(first != trace.tasks, first, second)
    return foreign


def _counts(trace: Trace, chosen: npt.NDArray[np.bool_]) -> Integers:
    n_tasks = len(trace.header.tasks)
    counts = np.zeros((trace.generation, n_tasks, n_tasks), np.int64)
    where = (trace.born[chosen] - 1, foreign_tasks(trace)[chosen], trace.tasks[chosen])
    np.add.at(counts, where, 1)
    return counts


@dataclass(frozen=True)
class Band:
    """A quantity over seeds; only generations that some seed measured.

    Attributes:
        generations: from 1, ascending.
        mean: over the seeds that measured it.
        std: sample standard deviation; 0 where a single seed did.
    """

    generations: Integers
    mean: Floats
    std: Floats


def band_of(curves: Sequence[Floats]) -> Band:
    """Averages curves that begin in generation 1, as far as the shortest goes.

    Further on the mean would jump whenever a seed is no longer in it.

    Args:
        curves: one a seed, `(its generations,)`; nan where nothing was measured.
    """
    length = min(map(len, curves))
    values = np.stack([curve[:length] for curve in curves])
    n = (~np.isnan(values)).sum(axis=0)
    (measured,) = np.nonzero(n)
    values, n = values[:, measured], n[measured]
    mean = np.nansum(values, axis=0) / n
    squares = np.nansum((values - mean) ** 2, axis=0)
    return Band(measured + 1, mean, np.sqrt(squares / np.maximum(n - 1, 1)))


# Parameters and MACs of many architectures at once: a hundred times as fast as one by one.

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
