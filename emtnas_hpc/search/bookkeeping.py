"""Turns what happened in a generation into its entry in the history."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from emtnas_hpc.evolution.individual import NOBODY
from emtnas_hpc.evolution.mating import Brood
from emtnas_hpc.evolution.population import subpopulation
from emtnas_hpc.evolution.selection import Selection, fittest
from emtnas_hpc.history.records import Generation, History, TaskGeneration
from emtnas_hpc.search.stopwatch import Stopwatch
from emtnas_hpc.search.task_trainer import TrainingRecord
from emtnas_hpc.space.architecture import decode
from emtnas_hpc.space.chromosome import Chromosome
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.shape import NetworkShape


@dataclass(frozen=True)
class TaskOutcome:
    """What a trainer reported in a generation.

    Attributes:
        candidates: the chromosomes that training drew from.
        training: what it recorded.
        accuracies: of the offspring, in order of birth.
        true_fitness: of the fittest after selection; nan where it was not measured.
    """

    candidates: Sequence[Chromosome]
    training: TrainingRecord
    accuracies: Sequence[float]
    true_fitness: float = math.nan


def record_generation(
    history: History,
    selection: Selection,
    brood: Brood,
    outcomes: Sequence[TaskOutcome],
    watch: Stopwatch,
) -> None:
    """Appends a generation to the history."""
    population = selection.population
    entry = Generation(
        generation=history.generation + 1,
        population=tuple(individual.id for individual in population),
        fitness=tuple(individual.fitness for individual in population),
        n_pairs=brood.n_pairs,
        n_transfers=brood.n_transfers,
        tasks=tuple(
            _task_entry(history, selection, task, outcome, watch)
            for task, outcome in enumerate(outcomes)
        ),
    )
    parents = history.population
    history.add(selection.offspring, entry)
    for task, outcome in enumerate(outcomes):
        eldest: dict[Chromosome, int] = {}
        for individual in subpopulation((*parents, *selection.offspring), task):
            first = eldest.setdefault(individual.chromosome, individual.id)
            eldest[individual.chromosome] = min(first, individual.id)
        for chromosome, n in zip(outcome.candidates, outcome.training.n_steps, strict=True):
            history.n_steps[eldest[chromosome]] += n


def summarise(history: History) -> Mapping[str, object]:
    """The newest generation in a few plain numbers for every task, and what diverged."""
    if not history.generations:
        return {"tasks": {}}
    newest = history.generations[-1]
    return {
        "tasks": {
            header.name: {
                "fitness": _known(history.individuals[entry.fittest].fitness),
                "true_fitness": _known(entry.true_fitness),
                "loss": _known(entry.train_loss),
            }
            for header, entry in zip(history.header.tasks, newest.tasks, strict=True)
        },
        "diverged_in": {
            header.name: generation
            for task, header in enumerate(history.header.tasks)
            if (generation := history.diverged_in(task)) is not None
        },
    }


def _known(value: float) -> float | None:
    """JSON has neither nan nor infinity: a loss that has diverged, an accuracy not measured."""
    return value if math.isfinite(value) else None


def _task_entry(
    history: History, selection: Selection, task: int, outcome: TaskOutcome, watch: Stopwatch
) -> TaskGeneration:
    best = fittest(subpopulation(selection.population, task))
    shape = history.header.tasks[task].shape
    training = outcome.training
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
        seconds_training=watch.seconds("training", task),
        seconds_evaluation=watch.seconds("evaluation", task),
        seconds_search=watch.seconds("search", task),
        seconds_true_fitness=watch.seconds("true_fitness", task),
    )


def _incumbent(history: History, task: int, fittest_id: int, true_fitness: float) -> int:
    """The best true fitness so far names the incumbent; of equals the later one."""
    standing = history.generations[-1].tasks[task].incumbent if history.generations else NOBODY
    # Every comparison with nan is false: the first measurement always wins, a missing one never.
    beaten = not math.isnan(true_fitness) and not true_fitness < history.best_true_fitness(task)
    return fittest_id if beaten else standing


# Survivors are counted again in every generation, and counting costs more than breeding.
@lru_cache(maxsize=1024)
def _counts(chromosome: Chromosome, shape: NetworkShape) -> tuple[int, int]:
    architecture = decode(chromosome)
    return count_parameters(architecture, shape), count_macs(architecture, shape)


def _mean_over_steps(outcome: TaskOutcome, count: Callable[[Chromosome], int]) -> float:
    n_steps = outcome.training.n_steps
    total = sum(n * count(c) for c, n in zip(outcome.candidates, n_steps, strict=True))
    return total / sum(n_steps)
