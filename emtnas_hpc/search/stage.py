"""The search as a stage: one generation a step (section 3 of the paper)."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.paths import HISTORY, SEARCH
from emtnas_hpc.evolution.mating import Brood, breed
from emtnas_hpc.evolution.population import (
    NOBODY,
    Individual,
    Population,
    different_chromosomes,
    divide,
    random_population,
    subpopulation,
)
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.evolution.selection import (
    Selection,
    fittest,
    name_clones,
    reevaluate,
    running_mean,
    select,
)
from emtnas_hpc.runner.context import PhaseListener
from emtnas_hpc.runner.loop import Interrupted
from emtnas_hpc.search.history import (
    Generation,
    Header,
    History,
    TaskGeneration,
    finite_or_none,
)
from emtnas_hpc.search.history_file import read_history, write_history
from emtnas_hpc.settings.experiment import SearchSettings
from emtnas_hpc.space.architecture import Chromosome, NetworkShape, decode
from emtnas_hpc.space.counts import count_macs, count_parameters

Phase = Literal["search", "training", "evaluation", "true_fitness"]


class Stopwatch:
    """Adds up seconds by phase and task; time that concerns all tasks is divided evenly."""

    def __init__(self, clock: Callable[[], float], n_tasks: int) -> None:
        self._clock = clock
        self._n_tasks = n_tasks
        self._seconds: dict[tuple[Phase, int], float] = defaultdict(float)

    def reset(self) -> None:
        """Begins at 0 again."""
        self._seconds.clear()

    @contextmanager
    def measure(self, phase: Phase, task: int | None = None) -> Iterator[None]:
        """Counts the time of a `with` block."""
        began = self._clock()
        yield
        seconds = self._clock() - began
        tasks = range(self._n_tasks) if task is None else (task,)
        for each in tasks:
            self._seconds[phase, each] += seconds / len(tasks)

    def seconds(self, phase: Phase, task: int) -> float:
        """The sum so far."""
        return self._seconds[phase, task]


@dataclass(frozen=True)
class TrainingRecord:
    """One epoch of sampled training.

    Attributes:
        loss: mean over the images.
        accuracy: mean over the images, in [0, 1].
        n_steps: for every chromosome given, the mini-batches that it was drawn for.
    """

    loss: float
    accuracy: float
    learning_rate: float
    n_steps: tuple[int, ...]


class TaskTrainer(Protocol):
    """The supernet of one task with its data. All that it draws depends on the generation alone.

    Each method raises `StepInterrupted` as soon as `interrupted()` says so; the trainer must be
    loaded anew after that.
    """

    def train(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> TrainingRecord:
        """One epoch; every mini-batch trains one chromosome, drawn uniformly."""

    def evaluate(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> tuple[float, ...]:
        """Sampled accuracy of each, on one random validation mini-batch, in [0, 1]."""

    def true_fitness(
        self, chromosome: Chromosome, generation: int, interrupted: Interrupted
    ) -> float:
        """Accuracy on the whole validation set, in [0, 1]."""

    def save(self, file: Path) -> None:
        """Writes everything that the next generation depends on."""

    def load(self, file: Path) -> None:
        """Reads it back, bit for bit."""


@dataclass(frozen=True)
class TaskOutcome:
    """One generation of one trainer.

    Attributes:
        candidates: the chromosomes that training drew from.
        accuracies: of the offspring, in order of birth.
        true_fitness: of the fittest after selection; nan where it was not measured.
    """

    candidates: Sequence[Chromosome]
    training: TrainingRecord
    accuracies: Sequence[float]
    true_fitness: float = math.nan


class SearchStage:
    """Evolution, plus one trainer a task. The state between two steps is the history so far.

    `make_trainers` is called by `start` and `load` only: a finished search needs no trainers.
    """

    name = SEARCH

    def __init__(
        self,
        header: Header,
        settings: SearchSettings,
        make_trainers: Callable[[], Sequence[TaskTrainer]],
        *,
        on_phase: PhaseListener = lambda _phase, _task: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.n_steps = settings.generations
        self._header = header
        self._settings = settings
        self._make_trainers = make_trainers
        self._trainers: Sequence[TaskTrainer] = ()
        self._shares = divide(settings.population, len(header.tasks))
        self._on_phase = on_phase
        self._watch = Stopwatch(clock, len(header.tasks))

    def start(self) -> History:
        """The state before generation 1, with fresh trainers."""
        self._trainers = self._make_trainers()
        return History(self._header)

    def advance(self, history: History, interrupted: Interrupted) -> History:
        """One generation: offspring, sampled training and evaluation, re-evaluation, selection.

        Raises:
            StepInterrupted: `interrupted` said so; the trainers must be loaded anew.
        """
        generation = history.generation + 1
        self._watch.reset()
        with self._watch.measure("search"):
            brood = self._breed(history, generation)
        outcomes = [
            self._train_and_evaluate(task, history, brood.offspring, interrupted)
            for task in range(len(self._trainers))
        ]
        with self._watch.measure("search"):
            measured = self._with_fitness(brood.offspring, outcomes, generation)
            selection = self._select(history.population, measured)
        # The fittest is known only now, and its weights are those of the whole generation.
        outcomes = [
            replace(
                outcome,
                true_fitness=self._true_fitness(
                    task, generation, selection.population, interrupted
                ),
            )
            for task, outcome in enumerate(outcomes)
        ]
        self._record(history, selection, brood, outcomes)
        return history

    def save(self, history: History, directory: Path) -> None:
        """Writes state.h5, and one file of weights a task."""
        self._on_phase("commit", "")
        write_history(history, directory / HISTORY)
        for task, trainer in zip(self._header.tasks, self._trainers, strict=True):
            trainer.save(directory / f"{task.name}.pt")

    def load(self, directory: Path) -> History:
        """Reads what `save` wrote; fresh trainers continue from there."""
        self._trainers = self._make_trainers()
        for task, trainer in zip(self._header.tasks, self._trainers, strict=True):
            trainer.load(directory / f"{task.name}.pt")
        return read_history(directory / HISTORY)

    def readings(self, history: History) -> Mapping[str, object]:
        """The newest generation in a few numbers for every task, and what diverged."""
        tasks, entries = history.header.tasks, history.generations[-1].tasks
        diverged = {task.name: history.diverged_in(k) for k, task in enumerate(tasks)}
        return {
            "tasks": {
                task.name: {
                    "fitness": finite_or_none(history.individuals[entry.fittest].fitness),
                    "true_fitness": finite_or_none(entry.true_fitness),
                    "loss": finite_or_none(entry.train_loss),
                }
                for task, entry in zip(tasks, entries, strict=True)
            },
            "diverged_in": {name: n for name, n in diverged.items() if n is not None},
        }

    def summary(self, history: History) -> Summary:
        """How far the search is."""
        return history.summary

    def _breed(self, history: History, generation: int) -> Brood:
        seed, first_id = self._header.seed, len(history.individuals)
        if generation == 1 or self._settings.strategy == "random":
            rng = stream(seed, generation, None, Purpose.INITIAL)
            born = random_population(self._shares, rng, generation=generation, first_id=first_id)
            return Brood(born, n_pairs=0, n_transfers=0)
        return breed(
            history.population,
            self._shares,
            self._settings,
            stream(seed, generation, None, Purpose.BREEDING),
            generation=generation,
            first_id=first_id,
        )

    def _train_and_evaluate(
        self, task: int, history: History, offspring: Population, interrupted: Interrupted
    ) -> TaskOutcome:
        name, trainer = self._header.tasks[task].name, self._trainers[task]
        generation = history.generation + 1
        children = subpopulation(offspring, task)
        candidates = different_chromosomes((*subpopulation(history.population, task), *children))
        self._on_phase("training", name)
        with self._watch.measure("training", task):
            training = trainer.train(candidates, generation, interrupted)
        self._on_phase("evaluation", name)
        with self._watch.measure("evaluation", task):
            chromosomes = [child.chromosome for child in children]
            accuracies = trainer.evaluate(chromosomes, generation, interrupted)
        return TaskOutcome(candidates, training, accuracies)

    def _with_fitness(
        self, offspring: Population, outcomes: Sequence[TaskOutcome], generation: int
    ) -> Population:
        measured = {}
        for task, outcome in enumerate(outcomes):
            sampled = outcome.accuracies
            counted = running_mean(sampled) if self._settings.fitness == "running_mean" else sampled
            children = subpopulation(offspring, task)
            for child, accuracy, count in zip(children, sampled, counted, strict=True):
                fitness = self._fitness(child, count, generation)
                measured[child.id] = replace(child, sampled_accuracy=accuracy, fitness=fitness)
        return tuple(measured[child.id] for child in offspring)

    def _fitness(self, child: Individual, accuracy: float, generation: int) -> float:
        if generation == 1 or not self._settings.reevaluate:
            return accuracy
        return reevaluate(child.parent_fitness, accuracy, generation, self._settings.generations)

    def _select(self, parents: Population, offspring: Population) -> Selection:
        if not parents:
            named = name_clones((), offspring)
            return Selection(named, named)
        return select(parents, offspring, self._shares, self._settings.clones)

    def _true_fitness(
        self, task: int, generation: int, population: Population, interrupted: Interrupted
    ) -> float:
        due = generation % self._settings.true_fitness_every == 0
        if not due and generation != self._settings.generations:
            return math.nan
        self._on_phase("true fitness", self._header.tasks[task].name)
        best = fittest(subpopulation(population, task))
        with self._watch.measure("true_fitness", task):
            return self._trainers[task].true_fitness(best.chromosome, generation, interrupted)

    def _record(
        self,
        history: History,
        selection: Selection,
        brood: Brood,
        outcomes: Sequence[TaskOutcome],
    ) -> None:
        """Appends a generation to the history."""
        parents, population = history.population, selection.population
        entry = Generation(
            generation=history.generation + 1,
            population=tuple(individual.id for individual in population),
            fitness=tuple(individual.fitness for individual in population),
            n_pairs=brood.n_pairs,
            n_transfers=brood.n_transfers,
            tasks=tuple(
                self._task_entry(task, history, population, outcome)
                for task, outcome in enumerate(outcomes)
            ),
        )
        history.add(selection.offspring, entry)
        for task, outcome in enumerate(outcomes):
            eldest: dict[Chromosome, int] = {}
            for individual in subpopulation((*parents, *selection.offspring), task):
                first = eldest.setdefault(individual.chromosome, individual.id)
                eldest[individual.chromosome] = min(first, individual.id)
            for chromosome, n in zip(outcome.candidates, outcome.training.n_steps, strict=True):
                history.n_steps[eldest[chromosome]] += n

    def _task_entry(
        self, task: int, history: History, population: Population, outcome: TaskOutcome
    ) -> TaskGeneration:
        best = fittest(subpopulation(population, task))
        training, shape = outcome.training, self._header.tasks[task].shape
        return TaskGeneration(
            fittest=best.id,
            true_fitness=outcome.true_fitness,
            incumbent=_incumbent(history, task, best.id, outcome.true_fitness),
            train_loss=training.loss,
            train_accuracy=training.accuracy,
            learning_rate=training.learning_rate,
            n_steps=sum(training.n_steps),
            mean_parameters=_mean_over_steps(outcome, lambda c: _counts(c, shape)[0]),
            mean_macs=_mean_over_steps(outcome, lambda c: _counts(c, shape)[1]),
            seconds_training=self._watch.seconds("training", task),
            seconds_evaluation=self._watch.seconds("evaluation", task),
            seconds_search=self._watch.seconds("search", task),
            seconds_true_fitness=self._watch.seconds("true_fitness", task),
        )


def _incumbent(history: History, task: int, fittest_id: int, true_fitness: float) -> int:
    """The best true fitness so far names the incumbent; of equals the later one."""
    standing = history.generations[-1].tasks[task].incumbent if history.generations else NOBODY
    # Every comparison with nan is false: the first measurement always wins, a missing one never.
    beaten = not math.isnan(true_fitness) and not true_fitness < history.best_true_fitness(task)
    return fittest_id if beaten else standing


# Survivors are counted again in every generation, and counting takes longer than breeding.
@lru_cache(maxsize=1024)
def _counts(chromosome: Chromosome, shape: NetworkShape) -> tuple[int, int]:
    architecture = decode(chromosome)
    return count_parameters(architecture, shape), count_macs(architecture, shape)


def _mean_over_steps(outcome: TaskOutcome, count: Callable[[Chromosome], int]) -> float:
    n_steps = outcome.training.n_steps
    total = sum(n * count(c) for c, n in zip(outcome.candidates, n_steps, strict=True))
    return total / sum(n_steps)
