"""The history of a search as arrays, named as the columns of state.h5."""

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

    The arrays are named as the fields of `evolution.population.Individual`, which says what they
    hold. Ids are -1 for none, `operator` holds the numbers of `Operator`, and `chromosome` is
    `(n_individuals, 40)`; `n_steps` counts the mini-batches that an architecture was trained on.
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

    The arrays are named as the fields of `search.history.Generation` and, by task, of
    `search.history.TaskGeneration`, which say what they hold; `population` and `fitness` are
    `(n_generations, population)`.
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
