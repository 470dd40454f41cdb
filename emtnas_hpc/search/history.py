"""What a search remembers: every individual, and what was measured in every generation."""

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import starmap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from emtnas_hpc.checkpoint.manifest import Summary, TaskSummary
from emtnas_hpc.evolution.population import NOBODY, Individual, Operator
from emtnas_hpc.space.architecture import N_GENES, NetworkShape


@dataclass(frozen=True)
class TaskHeader:
    """A task as a reader needs it who has neither the data nor torch.

    Attributes:
        name: of the data set.
        shape: of the task's supernet.
        n_training: training images.
        n_validation: validation images; the unit in which true fitness is quantised.
    """

    name: str
    shape: NetworkShape
    n_training: int
    n_validation: int


@dataclass(frozen=True)
class Header:
    """What holds for the whole search.

    Attributes:
        name: of the experiment.
        seed: of the search.
        n_generations: T, that it is to reach.
        batch_norm: mode in which every accuracy was measured; numbers of two modes do not compare.
        signature: of the search.
        experiment_signature: the same for all seeds of an experiment, and for no other.
        tasks: in order of skill factor.
    """

    name: str
    seed: int
    n_generations: int
    batch_norm: str
    signature: str
    experiment_signature: str
    tasks: tuple[TaskHeader, ...]


@dataclass(frozen=True)
class TaskGeneration:
    """One generation of one task.

    Attributes:
        fittest: id of the individual with the highest fitness after selection.
        true_fitness: its accuracy on the whole validation set; nan where it was not measured.
        incumbent: id of the individual with the best true fitness so far.
        train_loss: mean over the images trained on.
        train_accuracy: likewise, in [0, 1].
        learning_rate: of the generation.
        n_steps: mini-batches trained on.
        mean_parameters: of the sampled architectures, over the steps, output slices in use.
        mean_macs: likewise, multiply-adds of convolutions and the classifier for one image.
        seconds_training: wall clock of sampled training.
        seconds_evaluation: wall clock of sampled evaluation.
        seconds_search: this task's even part of breeding, re-evaluation and selection.
        seconds_true_fitness: wall clock of the true fitness; part of none of the three.
    """

    fittest: int
    true_fitness: float
    incumbent: int
    train_loss: float
    train_accuracy: float
    learning_rate: float
    n_steps: int
    mean_parameters: float
    mean_macs: float
    seconds_training: float
    seconds_evaluation: float
    seconds_search: float
    seconds_true_fitness: float


@dataclass(frozen=True)
class Generation:
    """One generation of the whole population.

    Attributes:
        generation: its number, from 1.
        population: ids of the survivors.
        fitness: theirs, in the same order.
        n_pairs: pairs of parents drawn.
        n_transfers: those that were crossed although their tasks differ.
        tasks: by skill factor.
    """

    generation: int
    population: tuple[int, ...]
    fitness: tuple[float, ...]
    n_pairs: int
    n_transfers: int
    tasks: tuple[TaskGeneration, ...]


#: Newest generations that the time of the next one is judged by.
_N_RECENT = 10
_SECONDS = ("seconds_training", "seconds_evaluation", "seconds_search", "seconds_true_fitness")


@dataclass
class History:
    """The whole history of a search up to its newest generation; it only ever grows.

    Attributes:
        header: what holds for the whole search.
        individuals: all ever created; an individual's id is its index.
        n_steps: mini-batches trained on by each of them; equal chromosomes count for the eldest.
        generations: all so far.
    """

    header: Header
    individuals: list[Individual] = field(default_factory=list)
    n_steps: list[int] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)

    @property
    def generation(self) -> int:
        """The newest generation, 0 before the first."""
        return len(self.generations)

    @property
    def population(self) -> tuple[Individual, ...]:
        """The survivors of the newest generation."""
        ids = self.generations[-1].population if self.generations else ()
        return tuple(self.individuals[i] for i in ids)

    def add(self, born: Sequence[Individual], generation: Generation) -> None:
        """Appends a generation and the individuals that were created in it."""
        self.individuals.extend(born)
        self.n_steps.extend([0] * len(born))
        self.generations.append(generation)

    def incumbent(self, task: int) -> Individual:
        """A task's incumbent; before its first true fitness, the fittest of now."""
        newest = self.generations[-1].tasks[task]
        return self.individuals[newest.fittest if newest.incumbent == NOBODY else newest.incumbent]

    def diverged_in(self, task: int) -> int | None:
        """The first generation in which a task's training loss is no finite number, if any.

        From then on the weights of its supernet are none either: what was found before may be
        good, what follows is noise.
        """
        return first_diverged(generation.tasks[task].train_loss for generation in self.generations)

    def best_true_fitness(self, task: int) -> float:
        """The true fitness of a task's incumbent; nan before the first measurement."""
        measured = [generation.tasks[task].true_fitness for generation in self.generations]
        return max((value for value in measured if not math.isnan(value)), default=math.nan)

    @property
    def summary(self) -> Summary:
        """How far the search is."""
        return Summary(
            step=self.generation,
            n_steps=self.header.n_generations,
            seconds=self._recent_seconds(),
            tasks={
                task.name: self._task_summary(index) for index, task in enumerate(self.header.tasks)
            },
            experiment_signature=self.header.experiment_signature,
        )

    def _task_summary(self, task: int) -> TaskSummary:
        best, generation = self.best_true_fitness(task), self.diverged_in(task)
        if generation is not None:
            return TaskSummary(None, f"generation {generation}")
        return TaskSummary(None if math.isnan(best) else best)

    def _recent_seconds(self) -> float | None:
        recent = [
            sum(getattr(task, name) for task in generation.tasks for name in _SECONDS)
            for generation in self.generations[-_N_RECENT:]
        ]
        return statistics.median(recent) if recent else None


def first_diverged(losses: Iterable[float]) -> int | None:
    """The generation, from 1, of the first loss that is no finite number; None if all are."""
    return next((n for n, loss in enumerate(losses, start=1) if not math.isfinite(loss)), None)


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


#: Columns of wall-clock readings begin so; two identical runs differ in nothing else.
WALL_CLOCK_PREFIX = "seconds_"
#: What a run is called makes it no other search.
_NAME = "name"


def history_differences(a: Path, b: Path) -> Iterator[str]:
    """Names every attribute and data set in which two state.h5 differ, in alphabetical order."""
    with h5py.File(a, "r") as file_a, h5py.File(b, "r") as file_b:
        facts_a, facts_b = _facts(file_a), _facts(file_b)
        for name in sorted({*facts_a, *facts_b} - {_NAME}):
            if facts_a.get(name) != facts_b.get(name):
                yield f"{a.name}: {name} is {facts_a.get(name)} against {facts_b.get(name)}"
        sets_a, sets_b = _data_sets(file_a), _data_sets(file_b)
        for name in sorted({*sets_a, *sets_b}):
            if name.rpartition("/")[2].startswith(WALL_CLOCK_PREFIX):
                continue
            if name not in sets_a or name not in sets_b:
                yield f"{a.name}: {name} is in one of them only"
            elif difference := _first_difference(sets_a[name][()], sets_b[name][()]):
                yield f"{a.name}: {name}{difference}"


def _facts(file: h5py.File) -> dict[str, Any]:
    """The attributes, those of the header one by one."""
    attributes = {name: value for name, value in file.attrs.items() if name != "header"}
    return {**attributes, **json.loads(file.attrs["header"])}


def _data_sets(file: h5py.File) -> dict[str, h5py.Dataset]:
    return {
        f"{table}/{column}": dataset
        for table, group in file.items()
        for column, dataset in group.items()
    }


def _first_difference(a: np.ndarray, b: np.ndarray) -> str:
    if a.dtype != b.dtype or a.shape != b.shape:
        return f" is {a.dtype}{list(a.shape)} against {b.dtype}{list(b.shape)}"
    if a.tobytes() == b.tobytes():
        return ""
    flat_a, flat_b = np.atleast_1d(a).ravel(), np.atleast_1d(b).ravel()
    size = a.dtype.itemsize
    bytes_a = np.frombuffer(flat_a.tobytes(), np.uint8).reshape(-1, size)
    bytes_b = np.frombuffer(flat_b.tobytes(), np.uint8).reshape(-1, size)
    first = int(np.flatnonzero((bytes_a != bytes_b).any(axis=1))[0])
    index = ", ".join(str(i) for i in np.unravel_index(first, a.shape))
    return f"[{index}] is {flat_a[first]} against {flat_b[first]}"
