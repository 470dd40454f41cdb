"""The search as a stage: one generation a step (section 3 of the paper, algorithm 1)."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from emtnas_hpc.evolution.individual import Individual
from emtnas_hpc.evolution.mating import Brood, breed
from emtnas_hpc.evolution.population import (
    Population,
    different_chromosomes,
    divide,
    initial_population,
    subpopulation,
)
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.evolution.reevaluation import reevaluate, running_mean
from emtnas_hpc.evolution.selection import Selection, fittest, name_clones, select
from emtnas_hpc.experiment.settings import SearchSettings
from emtnas_hpc.history.file import FILE_NAME, read_history, write_history
from emtnas_hpc.history.records import Header, History
from emtnas_hpc.runner.stage import Interrupted
from emtnas_hpc.search.bookkeeping import TaskOutcome, record_generation, summarise
from emtnas_hpc.search.stopwatch import Stopwatch
from emtnas_hpc.search.task_trainer import TaskTrainer
from emtnas_hpc.store.paths import SEARCH

#: Told what begins: a phase, and the task that it concerns ("" for all).
PhaseListener = Callable[[str, str], None]


class SearchStage:
    """Evolution, plus one trainer a task. The state between two steps is the history so far.

    Args:
        header: what the history will say of the whole search.
        settings: of the evolutionary search.
        make_trainers: one a task; called by `start` and `load` only, because a finished search that
            is opened again needs none.
        on_phase: told what begins.
        clock: seconds, for the accounting of time.
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
        self._clock = clock

    def start(self) -> History:
        """The state before generation 1, with fresh trainers."""
        self._trainers = self._make_trainers()
        return History(self._header)

    def advance(self, history: History, interrupted: Interrupted) -> History:
        """One generation: offspring, sampled training and evaluation, re-evaluation, selection.

        Raises:
            Abandoned: `interrupted` said so; the trainers must be loaded anew.
        """
        generation = history.generation + 1
        watch = Stopwatch(self._clock, len(self._trainers))
        parents = history.population
        with watch.measure("search"):
            brood = self._breed(history, generation)
        outcomes = [
            self._train_and_evaluate(task, parents, brood.offspring, generation, watch, interrupted)
            for task in range(len(self._trainers))
        ]
        with watch.measure("search"):
            measured = self._with_fitness(brood.offspring, outcomes, generation)
            selection = self._select(parents, measured)
        truths = [
            self._true_fitness(task, selection.population, generation, watch, interrupted)
            for task in range(len(self._trainers))
        ]
        outcomes = [
            replace(o, true_fitness=truth) for o, truth in zip(outcomes, truths, strict=True)
        ]
        record_generation(history, selection, brood, outcomes, watch)
        return history

    def save(self, history: History, directory: Path) -> None:
        """Writes state.h5, and one file of weights a task."""
        self._on_phase("commit", "")
        write_history(history, directory / FILE_NAME)
        for task, trainer in zip(self._header.tasks, self._trainers, strict=True):
            trainer.save(directory / f"{task.name}.pt")

    def load(self, directory: Path) -> History:
        """Reads what `save` wrote; fresh trainers continue from there."""
        self._trainers = self._make_trainers()
        for task, trainer in zip(self._header.tasks, self._trainers, strict=True):
            trainer.load(directory / f"{task.name}.pt")
        return read_history(directory / FILE_NAME)

    def summary(self, history: History) -> Mapping[str, object]:
        """What a progress display shows of the newest generation."""
        return summarise(history)

    def _breed(self, history: History, generation: int) -> Brood:
        seed = self._header.seed
        if generation == 1:
            rng = stream(seed, generation, None, Purpose.INITIAL)
            return Brood(initial_population(self._shares, rng), n_pairs=0, n_transfers=0)
        return breed(
            history.population,
            self._shares,
            self._settings,
            stream(seed, generation, None, Purpose.BREEDING),
            generation=generation,
            first_id=len(history.individuals),
        )

    def _train_and_evaluate(
        self,
        task: int,
        parents: Population,
        offspring: Population,
        generation: int,
        watch: Stopwatch,
        interrupted: Interrupted,
    ) -> TaskOutcome:
        name, trainer = self._header.tasks[task].name, self._trainers[task]
        children = subpopulation(offspring, task)
        candidates = different_chromosomes((*subpopulation(parents, task), *children))
        self._on_phase("training", name)
        with watch.measure("training", task):
            training = trainer.train(candidates, generation, interrupted)
        self._on_phase("evaluation", name)
        with watch.measure("evaluation", task):
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
        return select(parents, offspring, self._shares)

    def _true_fitness(
        self,
        task: int,
        population: Population,
        generation: int,
        watch: Stopwatch,
        interrupted: Interrupted,
    ) -> float:
        due = generation % self._settings.true_fitness_every == 0
        if not due and generation != self._settings.generations:
            return float("nan")
        self._on_phase("true fitness", self._header.tasks[task].name)
        best = fittest(subpopulation(population, task))
        with watch.measure("true_fitness", task):
            return self._trainers[task].true_fitness(best.chromosome, generation, interrupted)
