"""Fitness re-evaluation and environmental selection."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from emtnas_hpc.evolution.population import NOBODY, Individual, Population, subpopulation

CloneRule = Literal["youngest", "fittest"]


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection.

    Attributes:
        population: the survivors, task by task; within a task the fittest first, and after them
            clones that fill the share, the youngest first.
        offspring: all offspring in the order given, `clone_of` filled in.
    """

    population: Population
    offspring: Population


def select(
    parents: Sequence[Individual],
    offspring: Sequence[Individual],
    shares: Sequence[int],
    clones: CloneRule = "youngest",
) -> Selection:
    """Keeps of every task its share of the best parents and offspring.

    Of equal chromosomes of a task only one stands, with its own fitness: the youngest, which was
    measured on weights that have been trained longest, or the fittest. Ties in fitness go to the
    younger. Where there are fewer different chromosomes than the share, the youngest clones fill
    up. Fitness that is not finite loses to any that is, between clones too.

    Args:
        parents: the population so far.
        offspring: the new individuals, measured, in order of birth.
        shares: number of survivors for every task.
        clones: which of equal chromosomes stands.
    """
    named = name_clones(parents, offspring)
    pool = (*parents, *named)
    survivors = (
        survivor
        for task, share in enumerate(shares)
        for survivor in _best(subpopulation(pool, task), share, clones)
    )
    return Selection(tuple(survivors), named)


def fittest(individuals: Iterable[Individual]) -> Individual:
    """The individual with the highest fitness; of several the youngest."""
    return max(individuals, key=_rank)


def name_clones(parents: Iterable[Individual], offspring: Iterable[Individual]) -> Population:
    """The offspring with `clone_of`: the next older equal chromosome of the same task, if any.

    At the paper's settings 26 to 37 % of all children have one.
    """
    newest = {_kind(parent): parent.id for parent in sorted(parents, key=_age)}
    named = []
    for child in offspring:
        named.append(replace(child, clone_of=newest.get(_kind(child), NOBODY)))
        newest[_kind(child)] = child.id
    return tuple(named)


def _best(pool: Population, share: int, clones: CloneRule) -> list[Individual]:
    # Of equal chromosomes the last one stands.
    order = _rank if clones == "fittest" else lambda i: (_is_measured(i), i.id)
    standing = {i.chromosome: i for i in sorted(pool, key=order)}
    ranked = sorted(standing.values(), key=_rank, reverse=True)
    left = (individual for individual in pool if standing[individual.chromosome] is not individual)
    others = sorted(left, key=_age, reverse=True)
    return (ranked + others)[:share]


def _rank(individual: Individual) -> tuple[bool, float, int]:
    measured = _is_measured(individual)
    return measured, individual.fitness if measured else 0.0, individual.id


def _is_measured(individual: Individual) -> bool:
    return math.isfinite(individual.fitness)


def _kind(individual: Individual) -> tuple[int, tuple[int, ...]]:
    return individual.skill_factor, individual.chromosome


def _age(individual: Individual) -> int:
    return individual.id


def reevaluate(
    parent_fitness: float, sampled_accuracy: float, generation: int, generations: int
) -> float:
    """Damps an offspring's accuracy toward its parent's fitness, less so as the search goes on.

    F = F_p + (F_o - F_p) * log_T(t): Eq. 2 of the paper. Early accuracies say little, because
    the weights have seen little training; in the last generation F is exactly F_o.

    Args:
        parent_fitness: F_p, of the parent of record.
        sampled_accuracy: F_o, in [0, 1].
        generation: t, 1..T.
        generations: T.
    """
    # Exact at the end, and log_T does not exist for T = 1.
    if generation == generations:
        return sampled_accuracy
    trust = math.log(generation) / math.log(generations)
    return parent_fitness + (sampled_accuracy - parent_fitness) * trust


def running_mean(accuracies: Iterable[float]) -> tuple[float, ...]:
    """The accuracies of a brood as the authors' code has them: its counters are never reset.

    Each individual gets the mean of its own accuracy and those measured before it (mini-batches of
    one size).
    """
    return tuple(total / n for n, total in enumerate(accumulate(accuracies), start=1))
