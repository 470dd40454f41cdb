"""The history of a search as arrays, under the names of state.h5."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.search.history import Columns, History, generation_columns, individual_columns

Integers = NDArray[np.signedinteger[Any]]
Floats = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Individuals:
    """Every individual ever created, `(n_individuals,)`; an individual's id is its row.

    Attributes:
        id: 0 upwards.
        generation: that it was born in.
        skill_factor: its task, as an index into the run's tasks.
        chromosome: its genes, `(n_individuals, 40)`.
        operator: what made it, by the number of `evolution.individual.Operator`.
        parent_a: id, -1 for none.
        parent_b: id, -1 for none.
        parent_of_record: id of the parent whose fitness damps its own, -1 for none.
        sampled_accuracy: measured on one mini-batch, in [0, 1].
        parent_fitness: of the parent of record, nan for none.
        fitness: that selection sees, in [0, 1].
        clone_of: id of an elder individual with the same genes, -1 for none.
        n_steps: mini-batches that its architecture was trained on.
    """

    id: Integers
    generation: Integers
    skill_factor: Integers
    chromosome: NDArray[np.uint8]
    operator: NDArray[np.uint8]
    parent_a: Integers
    parent_b: Integers
    parent_of_record: Integers
    sampled_accuracy: Floats
    parent_fitness: Floats
    fitness: Floats
    clone_of: Integers
    n_steps: Integers


@dataclass(frozen=True, eq=False)
class Generations:
    """Every generation, `(n_generations,)`, and every task in it, `(n_generations, n_tasks)`.

    Attributes:
        generation: its number, from 1.
        n_pairs: pairs of parents drawn.
        n_transfers: those that were crossed although their tasks differ.
        population: ids of the survivors, `(n_generations, population)`.
        fitness: of the survivors, in the same order.
        fittest: by task: id of the individual with the highest fitness.
        true_fitness: by task: its accuracy on the whole validation set; nan where not measured.
        incumbent: by task: id of the individual with the best true fitness so far.
        train_loss: by task: mean over the images trained on.
        train_accuracy: by task: likewise, in [0, 1].
        learning_rate: by task.
        n_steps: by task: mini-batches trained on.
        mean_parameters: by task: of the sampled architectures.
        mean_macs: by task: likewise.
        seconds_training: by task: wall clock, as the other three.
        seconds_evaluation: of sampled evaluation.
        seconds_search: of breeding, re-evaluation and selection, in even parts.
        seconds_true_fitness: of the true fitness.
    """

    generation: Integers
    n_pairs: Integers
    n_transfers: Integers
    population: Integers
    fitness: Floats
    fittest: Integers
    true_fitness: Floats
    incumbent: Integers
    train_loss: Floats
    train_accuracy: Floats
    learning_rate: Floats
    n_steps: Integers
    mean_parameters: Floats
    mean_macs: Floats
    seconds_training: Floats
    seconds_evaluation: Floats
    seconds_search: Floats
    seconds_true_fitness: Floats


@dataclass(frozen=True, eq=False)
class SearchHistory:
    """Both tables; the arrays cannot be written to."""

    individuals: Individuals
    generations: Generations


def arrays_of(history: History) -> SearchHistory:
    """A history as arrays."""
    return SearchHistory(
        _table(Individuals, individual_columns(history)),
        _table(Generations, generation_columns(history)),
    )


def _table(kind: type[T], columns: Columns) -> T:
    for column in columns.values():
        column.flags.writeable = False
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: columns[name] for name in names})
