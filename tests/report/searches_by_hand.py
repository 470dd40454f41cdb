"""Searches to draw: of a fake trainer, and made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fake import make_header, make_stage

from emtnas_hpc.evolution.population import NOBODY, Individual, Operator
from emtnas_hpc.report.experiments import ExperimentRuns, experiments_of
from emtnas_hpc.report.load import Run, SeedResult, task_result
from emtnas_hpc.search.history import Generation, History, TaskGeneration
from emtnas_hpc.search.history_arrays import arrays_of
from emtnas_hpc.space.architecture import N_GENES


def search(
    n_tasks: int = 2, seed: int = 0, generations: int = 6, until: int | None = None
) -> History:
    """A search of ten individuals up to a generation."""
    stage = make_stage(n_tasks, seed, generations=generations, population=10)
    history = stage.start()
    for _generation in range(until or generations):
        history = stage.advance(history, lambda: False)
    return history


def seeds(n: int = 2, **arguments: int) -> list[History]:
    """The same search with n seeds."""
    return [search(seed=seed, **arguments) for seed in range(n)]


#: Of the children 2 and 3 by default: 2 is a child of both tasks, 3 of its own task only.
PARENTS = ((NOBODY, NOBODY), (NOBODY, NOBODY), (0, 1), (1, NOBODY))


def by_hand(
    parents: Sequence[tuple[int, int]] = PARENTS,
    seconds: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 0.0),
) -> History:
    """Two tasks, one individual each, that live through two generations with two children.

    Args:
        parents: of the four individuals.
        seconds: of training, evaluation, search and true fitness of each task and generation.
    """
    individual = Individual(0, 1, 0, (0,) * N_GENES, Operator.INITIAL, sampled_accuracy=0.5)
    individuals = [
        replace(individual, id=i, generation=1 + i // 2, skill_factor=i % 2, parent_a=a, parent_b=b)
        for i, (a, b) in enumerate(parents)
    ]
    task = TaskGeneration(*(0, 0.3, 0, 1.0, 0.5, 0.1, 3, 1.0, 1.0), *seconds)
    generations = [
        Generation(
            n, ids, (0.5, 0.5), 1, 0, tuple(replace(task, fittest=i, incumbent=i) for i in ids)
        )
        for n, ids in ((1, (0, 1)), (2, (2, 1)))
    ]
    return History(make_header(n_tasks=2, n_generations=2), individuals, [2, 2, 1, 0], generations)


def result_of(history: History) -> SeedResult:
    """A search as a report reads it."""
    return SeedResult(
        Path(f"seed-{history.header.seed}"),
        history.header,
        history.generation,
        (),
        tasks=tuple(task_result(history, task) for task in range(len(history.header.tasks))),
        arrays=arrays_of(history),
    )


def drawn(histories: Sequence[History]) -> tuple[ExperimentRuns, ...]:
    """The experiments of searches that were read from runs."""
    results = map(result_of, histories)
    return experiments_of(
        [
            Run(result.directory, result, own_tasks=tuple(task.task for task in result.tasks))
            for result in results
        ]
    )


def risen(
    true: Sequence[float], estimated: Sequence[float], seed: int = 0, n_tasks: int = 1
) -> History:
    """Tasks whose fittest individuals have these accuracies and this fitness, generation by
    generation; a mini-batch says 0.5 of all of them.
    """
    first = Individual(0, 1, 0, (0,) * N_GENES, Operator.INITIAL, sampled_accuracy=0.5)
    individuals, generations = [], []
    for n, (accuracy, fitness) in enumerate(zip(true, estimated, strict=True), start=1):
        ids = tuple(range(len(individuals), len(individuals) + n_tasks))
        individuals += [
            replace(first, id=i, generation=n, skill_factor=task, fitness=fitness)
            for task, i in enumerate(ids)
        ]
        tasks = tuple(
            TaskGeneration(i, accuracy, i, 1.0, 0.5, 0.1, 3, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
            for i in ids
        )
        generations.append(Generation(n, ids, (fitness,) * n_tasks, 1, 0, tasks))
    header = make_header(n_tasks, len(generations), seed)
    return History(header, individuals, [1] * len(individuals), generations)
