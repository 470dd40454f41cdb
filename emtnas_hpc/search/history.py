"""The history of a search: every individual, and the measurements of every generation."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import starmap
from typing import Any

import numpy as np
import numpy.typing as npt

from emtnas_hpc.checkpoint.manifest import Summary, TaskSummary, median_of_newest
from emtnas_hpc.evolution.population import NOBODY, Individual, Operator
from emtnas_hpc.space.architecture import N_GENES, NetworkShape


@dataclass(frozen=True)
class TaskHeader:
    """A task for readers that have neither its data nor torch."""

    name: str
    shape: NetworkShape
    n_training: int
    n_validation: int


@dataclass(frozen=True)
class Header:
    """The constants of a search.

    Attributes:
        n_generations: T.
        batch_norm: mode in which accuracies are measured; those of two modes do not compare.
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
        mean_parameters: of the sampled architectures, over the steps, output slices in use.
        mean_macs: likewise, multiply-adds of convolutions and the classifier for one image.
        seconds_training: wall clock of sampled training.
        seconds_evaluation: wall clock of sampled evaluation.
        seconds_search: this task's even part of breeding, re-evaluation and selection.
        seconds_true_fitness: wall clock of the true fitness; part of none of the three, though a
            report counts it as evaluation, as it chooses the incumbent.
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
        fitness: of the survivors, in the same order.
        n_transfers: pairs that were crossed although their tasks differ.
        tasks: by skill factor.
    """

    generation: int
    population: tuple[int, ...]
    fitness: tuple[float, ...]
    n_pairs: int
    n_transfers: int
    tasks: tuple[TaskGeneration, ...]


#: Columns of wall-clock readings begin so; two identical runs differ in nothing else.
WALL_CLOCK_PREFIX = "seconds_"


@dataclass
class History:
    """The whole history of a search up to its newest generation; it only ever grows.

    Attributes:
        individuals: all ever created; an individual's id is its index.
        n_steps: by individual, mini-batches trained on; equal chromosomes count for the eldest.
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
    def finished(self) -> bool:
        """Whether all generations are over."""
        return self.generation >= self.header.n_generations

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
        """A task's incumbent; before its first true fitness, the fittest of the population."""
        newest = self.generations[-1].tasks[task]
        return self.individuals[newest.fittest if newest.incumbent == NOBODY else newest.incumbent]

    def diverged_in(self, task: int) -> int | None:
        """The first generation in which a task's training loss is no finite number, if any.

        From then on the weights of its supernet are none either: architectures found before may be
        good, later ones are noise.
        """
        losses = (generation.tasks[task].train_loss for generation in self.generations)
        return next((n for n, loss in enumerate(losses, start=1) if not math.isfinite(loss)), None)

    def best_true_fitness(self, task: int) -> float:
        """The true fitness of a task's incumbent; nan before the first measurement."""
        measured = [generation.tasks[task].true_fitness for generation in self.generations]
        return max((value for value in measured if not math.isnan(value)), default=math.nan)

    @property
    def summary(self) -> Summary:
        """How far the search is."""
        header = self.header
        return Summary(
            step=self.generation,
            n_steps=header.n_generations,
            seconds=median_of_newest(self._seconds()),
            tasks={task.name: self._task_summary(k) for k, task in enumerate(header.tasks)},
            experiment_signature=header.experiment_signature,
        )

    def _task_summary(self, task: int) -> TaskSummary:
        if (generation := self.diverged_in(task)) is not None:
            return TaskSummary(None, f"generation {generation}")
        return TaskSummary(finite_or_none(self.best_true_fitness(task)))

    def _seconds(self) -> list[float]:
        """Of every generation, over all tasks and phases."""
        return [
            sum(getattr(task, name) for task in generation.tasks for name in _SECONDS)
            for generation in self.generations
        ]


def finite_or_none(value: float) -> float | None:
    """A number for JSON, which has neither nan nor infinity."""
    return value if math.isfinite(value) else None


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
#: By number: a look-up takes half the time of a call of the enumeration.
_OPERATORS = {int(operator): operator for operator in Operator}
_OF_GENERATION = ("generation", "n_pairs", "n_transfers")
_OF_TASK = tuple(column.name for column in fields(TaskGeneration))
_COUNTED = ("fittest", "incumbent", "n_steps")
_SECONDS = tuple(name for name in _OF_TASK if name.startswith(WALL_CLOCK_PREFIX))


def individual_columns(history: History) -> Columns:
    """One row for every individual ever created, in order of id."""
    columns = _rows(history.individuals)
    columns["n_steps"] = np.asarray(history.n_steps, np.int32)
    return columns


def population_columns(history: History) -> Columns:
    """One row for every survivor of the newest generation."""
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
    for name in _OF_TASK:
        values = [[getattr(task, name) for task in g.tasks] for g in generations]
        dtype = np.int32 if name in _COUNTED else np.float64
        columns[name] = np.asarray(values, dtype).reshape(shape)
    return columns


def history_of(header: Header, individuals: Columns, generations: Columns) -> History:
    """The history that the columns were made of."""
    # Column by column: a long search has thousands of rows, and a report many searches.
    lists = {name: individuals[name].tolist() for name in INDIVIDUAL_COLUMNS}
    lists["chromosome"] = map(tuple, lists["chromosome"])
    lists["operator"] = map(_OPERATORS.__getitem__, lists["operator"])
    # The columns are in the order of the fields.
    rows = starmap(Individual, zip(*lists.values(), strict=True))
    n_steps = individuals["n_steps"].tolist()
    return History(header, list(rows), n_steps, list(_generations(generations)))


def header_values(header: Header) -> dict[str, Any]:
    """A header as plain values, for JSON; without its name: one search may have two."""
    values = asdict(header)
    del values["name"]
    return values


def header_of(name: str, values: dict[str, Any]) -> Header:
    """The header that the plain values were made of, under this name."""
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


def _generations(columns: Columns) -> Iterator[Generation]:
    lists = {name: column.tolist() for name, column in columns.items()}
    for i in range(len(lists["generation"])):
        tasks = zip(*(lists[name][i] for name in _OF_TASK), strict=True)
        yield Generation(
            population=tuple(lists["population"][i]),
            fitness=tuple(lists["fitness"][i]),
            tasks=tuple(starmap(TaskGeneration, tasks)),
            **{name: lists[name][i] for name in _OF_GENERATION},
        )
