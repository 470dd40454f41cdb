"""What the figures need of searches, as arrays: over generations, seeds, and parents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emtnas_hpc.search.history import Header, History, generation_columns, individual_columns

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


@dataclass(frozen=True)
class Ledger:
    """Children by the generation of their birth, the foreign parent's task and their own.

    Attributes:
        born: `(T, K, K)`; the diagonal counts those without a foreign parent.
        entered: those of them that survived their first selection, `(T, K, K)`.
    """

    born: Integers
    entered: Integers


def ledger_of(trace: Trace) -> Ledger:
    """Counts a search's children; the random individuals of generation 1 are none."""
    # Who is in no population did not survive its first selection: nobody returns.
    entered = np.zeros(len(trace.born), bool)
    entered[trace.population] = True
    children = trace.parents.max(axis=1) >= 0
    return Ledger(_counts(trace, children), _counts(trace, children & entered))


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
