"""Individuals, and the population of all tasks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from emtnas_hpc.space.architecture import Chromosome, random_chromosome

#: Stands for an individual that there is not.
NOBODY = -1


class Operator(IntEnum):
    """How an individual came about. The numbers are stored; never renumber."""

    INITIAL = 0  # drawn at random
    CROSSOVER = 1  # two parents of one task
    TRANSFER = 2  # two parents of different tasks
    MUTATION = 3  # one parent


@dataclass(frozen=True, eq=False)
class Individual:
    """One candidate architecture; equal to another when every field is, unmeasured ones included.

    Attributes:
        id: unique in a search, ascending in order of birth.
        generation: of its birth, from 1.
        skill_factor: index of its task.
        chromosome: its genes.
        operator: how it came about.
        parent_a: id of the parent (the first of two), or NOBODY.
        parent_b: id of the second parent, or NOBODY.
        parent_of_record: id of the individual whose fitness damps this one's, or NOBODY. It has the
            same skill factor; with `mutation_only_child = "coin"` it may be the mate instead of a
            parent.
        sampled_accuracy: in [0, 1], on one validation mini-batch; nan while unmeasured.
        parent_fitness: of the parent of record at birth; nan without one.
        fitness: what selection looks at; nan while unmeasured.
        clone_of: id of the next older individual with the same chromosome and skill factor that
            was in the pool of its first selection, or NOBODY.
    """

    id: int
    generation: int
    skill_factor: int
    chromosome: Chromosome
    operator: Operator
    parent_a: int = NOBODY
    parent_b: int = NOBODY
    parent_of_record: int = NOBODY
    sampled_accuracy: float = math.nan
    parent_fitness: float = math.nan
    fitness: float = math.nan
    clone_of: int = NOBODY

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Individual):
            return NotImplemented
        return self._comparable() == other._comparable()

    def __hash__(self) -> int:
        return hash(self.id)

    def _comparable(self) -> tuple[object, ...]:
        # nan is the only value that differs from itself.
        return tuple(None if value != value else value for value in vars(self).values())


Population = tuple[Individual, ...]


def divide(population: int, n_tasks: int) -> tuple[int, ...]:
    """Divides a population over the tasks as evenly as it goes: 20 over 3 are 7, 7, 6."""
    return tuple(population // n_tasks + (task < population % n_tasks) for task in range(n_tasks))


def random_population(
    shares: Sequence[int], rng: np.random.Generator, *, generation: int = 1, first_id: int = 0
) -> Population:
    """Uniform random individuals without parents, task by task, with ascending ids."""
    skill_factors = [task for task, share in enumerate(shares) for _ in range(share)]
    return tuple(
        Individual(
            id=id_,
            generation=generation,
            skill_factor=skill_factor,
            chromosome=random_chromosome(rng),
            operator=Operator.INITIAL,
        )
        for id_, skill_factor in enumerate(skill_factors, start=first_id)
    )


def subpopulation(individuals: Iterable[Individual], task: int) -> Population:
    """The individuals of a task, in the order given."""
    return tuple(individual for individual in individuals if individual.skill_factor == task)


def different_chromosomes(individuals: Iterable[Individual]) -> tuple[Chromosome, ...]:
    """The different chromosomes, in order of first appearance: what sampled training draws from."""
    return tuple(dict.fromkeys(individual.chromosome for individual in individuals))
