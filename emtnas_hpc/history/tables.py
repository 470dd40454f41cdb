"""The columns of state.h5, and the way from records to columns and back."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from itertools import starmap
from typing import Any

import numpy as np
import numpy.typing as npt

from emtnas_hpc.evolution.individual import Individual, Operator
from emtnas_hpc.history.records import Generation, Header, History, TaskGeneration, TaskHeader
from emtnas_hpc.space.chromosome import N_GENES
from emtnas_hpc.space.shape import NetworkShape

Columns = dict[str, npt.NDArray[Any]]

INDIVIDUAL_COLUMNS: dict[str, type[np.generic]] = {
    "id": np.int32,
    "generation": np.int32,
    "skill_factor": np.int16,
    "chromosome": np.uint8,
    "operator": np.uint8,
    "parent_a": np.int32,
    "parent_b": np.int32,
    "parent_of_record": np.int32,
    "sampled_accuracy": np.float64,
    "parent_fitness": np.float64,
    "fitness": np.float64,
    "clone_of": np.int32,
}
#: By its number, which takes half the time of asking the enumeration.
_OPERATORS = {int(operator): operator for operator in Operator}
_OF_GENERATION = ("generation", "n_pairs", "n_transfers")
_OF_TASK = tuple(column.name for column in fields(TaskGeneration))


def individual_columns(history: History) -> Columns:
    """One row for every individual ever created, in order of id."""
    columns = _rows(history.individuals)
    columns["n_steps"] = np.asarray(history.n_steps, np.int32)
    return columns


def population_columns(history: History) -> Columns:
    """The survivors now."""
    columns = _rows(history.population)
    return {name: columns[name] for name in ("id", "skill_factor", "fitness")}


def generation_columns(history: History) -> Columns:
    """Per generation `(n_generations, ...)`, and per generation and task `(n_generations, K)`."""
    generations = history.generations
    columns: Columns = {
        name: np.asarray([getattr(g, name) for g in generations], np.int32)
        for name in _OF_GENERATION
    }
    columns["population"] = np.asarray([g.population for g in generations], np.int32)
    columns["fitness"] = np.asarray([g.fitness for g in generations], np.float64)
    shape = (len(generations), len(history.header.tasks))
    for column in fields(TaskGeneration):
        dtype = np.int32 if column.type is int else np.float64
        values = [[getattr(task, column.name) for task in g.tasks] for g in generations]
        columns[column.name] = np.asarray(values, dtype).reshape(shape)
    return columns


def history_of(header: Header, individuals: Columns, generations: Columns) -> History:
    """The records that the columns were made of."""
    return History(
        header,
        list(_individuals(individuals)),
        individuals["n_steps"].tolist(),
        list(_generations(generations)),
    )


def header_values(header: Header) -> dict[str, Any]:
    """A header as plain values, for JSON; without its name, which makes no search another one."""
    values = asdict(header)
    del values["name"]
    return values


def header_of(name: str, values: dict[str, Any]) -> Header:
    """The header of that name that the plain values were made of."""
    tasks = tuple(
        TaskHeader(**(task | {"shape": NetworkShape(**task["shape"])})) for task in values["tasks"]
    )
    return Header(name, **(values | {"tasks": tasks}))


def _rows(individuals: Sequence[Individual]) -> Columns:
    columns = {
        name: np.asarray([getattr(individual, name) for individual in individuals], dtype)
        for name, dtype in INDIVIDUAL_COLUMNS.items()
    }
    columns["chromosome"] = columns["chromosome"].reshape(len(individuals), N_GENES)
    return columns


def _individuals(columns: Columns) -> Iterable[Individual]:
    """Column by column: a long search has thousands of rows, and a report many searches."""
    lists = {name: columns[name].tolist() for name in INDIVIDUAL_COLUMNS}
    lists["chromosome"] = map(tuple, lists["chromosome"])
    lists["operator"] = map(_OPERATORS.__getitem__, lists["operator"])
    # The columns are in the order of the fields.
    return starmap(Individual, zip(*lists.values(), strict=True))


def _generations(columns: Columns) -> Iterable[Generation]:
    lists = {name: column.tolist() for name, column in columns.items()}
    for i in range(len(lists["generation"])):
        n_tasks = len(lists[_OF_TASK[0]][i])
        yield Generation(
            population=tuple(lists["population"][i]),
            fitness=tuple(lists["fitness"][i]),
            tasks=tuple(
                TaskGeneration(**{name: lists[name][i][task] for name in _OF_TASK})
                for task in range(n_tasks)
            ),
            **{name: lists[name][i] for name in _OF_GENERATION},
        )
