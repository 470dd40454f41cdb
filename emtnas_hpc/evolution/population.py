"""A population: the individuals of all tasks, each task with a share that it keeps for good."""

from collections.abc import Iterable, Sequence

import numpy as np

from emtnas_hpc.errors import InputError
from emtnas_hpc.evolution.individual import Individual, Operator
from emtnas_hpc.space.chromosome import Chromosome, random_chromosome

Population = tuple[Individual, ...]


def divide(population: int, n_tasks: int) -> tuple[int, ...]:
    """Divides a population over the tasks as evenly as it goes: 20 over 3 are 7, 7, 6.

    Raises:
        InputError: there are fewer individuals than tasks.
    """
    if population < n_tasks:
        raise InputError(
            f"search.population is {population}, expected at least {n_tasks}: one for every task"
        )
    return tuple(population // n_tasks + (task < population % n_tasks) for task in range(n_tasks))


def initial_population(shares: Sequence[int], rng: np.random.Generator) -> Population:
    """Uniform random individuals of generation 1, task by task, with ids from 0."""
    skill_factors = [task for task, share in enumerate(shares) for _ in range(share)]
    return tuple(
        Individual(
            id=id_,
            generation=1,
            skill_factor=skill_factor,
            chromosome=random_chromosome(rng),
            operator=Operator.INITIAL,
        )
        for id_, skill_factor in enumerate(skill_factors)
    )


def subpopulation(individuals: Iterable[Individual], task: int) -> Population:
    """The individuals of a task, in the order given."""
    return tuple(individual for individual in individuals if individual.skill_factor == task)


def different_chromosomes(individuals: Iterable[Individual]) -> tuple[Chromosome, ...]:
    """The different chromosomes, in order of first appearance: what sampled training draws from."""
    return tuple(dict.fromkeys(individual.chromosome for individual in individuals))
