"""What the figures need of one search, as arrays: a hundredth of the memory of its history."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emtnas_hpc.history import Header, History
from emtnas_hpc.history.tables import generation_columns, individual_columns

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
