"""Assortative mating: from a population to its offspring (Liao et al., CVPR 2023, after MFEA)."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol

import numpy as np

from emtnas_hpc.evolution.population import NOBODY, Individual, Operator, Population
from emtnas_hpc.space.architecture import GENE_RANGES, GENES_PER_BLOCK, N_GENES, Chromosome

WheelRule = Literal["equal_tasks", "raw_fitness"]

N_ALL_BLOCKS = N_GENES // GENES_PER_BLOCK


def block_crossover(
    a: Chromosome, b: Chromosome, rng: np.random.Generator
) -> tuple[Chromosome, Chromosome]:
    """Swaps each of the 10 blocks (4 genes) of two chromosomes with probability 1/2.

    Whether a pair is crossed at all (CP) is decided before.
    """
    swapped = np.repeat(rng.random(N_ALL_BLOCKS) < 0.5, GENES_PER_BLOCK).tolist()
    pairs = [(y, x) if swap else (x, y) for x, y, swap in zip(a, b, swapped, strict=True)]
    return tuple(x for x, _y in pairs), tuple(y for _x, y in pairs)


def bit_mutation(chromosome: Chromosome, rate: float, rng: np.random.Generator) -> Chromosome:
    """Replaces each gene with probability `rate` by a uniform draw from its candidates.

    The draw may return the gene that was there.
    """
    return _replace(chromosome, rng.random(N_GENES) < rate, rng.integers(GENE_RANGES))


def other_mutation(chromosome: Chromosome, rate: float, rng: np.random.Generator) -> Chromosome:
    """Replaces each gene with probability `rate` by a uniform draw from its other candidates.

    A gene of one candidate stays.
    """
    hit = rng.random(N_GENES) < rate
    step = rng.integers(1, np.maximum(GENE_RANGES, 2))
    return _replace(chromosome, hit, (np.array(chromosome) + step) % GENE_RANGES)


def step_mutation(chromosome: Chromosome, rate: float, rng: np.random.Generator) -> Chromosome:
    """Moves each gene with probability `rate` by +1 or -1, wrapping around its candidates.

    The authors' code, not the paper. A gene of two candidates flips.
    """
    hit = rng.random(N_GENES) < rate
    step = 2 * rng.integers(2, size=N_GENES) - 1
    return _replace(chromosome, hit, (np.array(chromosome) + step) % GENE_RANGES)


def _replace(chromosome: Chromosome, hit: np.ndarray, new: np.ndarray) -> Chromosome:
    return tuple(np.where(hit, new, chromosome).tolist())


#: Of the heaviest task's weight, what a task has at least where raw fitness is the weight: none
#: would get no offspring, and breeding never end. An accuracy on 1,000 images is as coarse.
_LEAST_WEIGHT = 1e-3


class RouletteWheel:
    """Draws individuals, with replacement, proportionally to their fitness within their task.

    With `equal_tasks` every task has the same total weight. With `raw_fitness` it has the sum of
    its fitness, so that the easier task gets most draws. Fitness that is not a positive number
    weighs nothing; a task that has no other draws uniformly.
    """

    def __init__(
        self, individuals: Sequence[Individual], weights_of: WheelRule = "equal_tasks"
    ) -> None:
        self._individuals = tuple(individuals)
        weights: dict[int, list[float]] = defaultdict(list)
        for individual in individuals:
            weights[individual.skill_factor].append(_weight(individual))
        totals = {task: math.fsum(of_task) for task, of_task in weights.items()}
        least = _LEAST_WEIGHT * max(totals.values()) or 1.0

        def share(individual: Individual) -> float:
            task = individual.skill_factor
            total = totals[task]
            own = _weight(individual) / total if total else 1 / len(weights[task])
            return own if weights_of == "equal_tasks" else own * max(total, least)

        self._cumulative = list(accumulate(map(share, individuals)))

    def draw(self, rng: np.random.Generator) -> Individual:
        """Draws one individual."""
        # random() < 1, so the point lies before the end, and never on one that weighs nothing.
        point = rng.random() * self._cumulative[-1]
        return self._individuals[bisect_right(self._cumulative, point)]


def _weight(individual: Individual) -> float:
    fitness = individual.fitness
    return fitness if math.isfinite(fitness) and fitness > 0 else 0.0


_MUTATIONS = {"redraw": bit_mutation, "other": other_mutation, "step": step_mutation}


class MatingSettings(Protocol):
    """What mating has to be told; the experiment's search settings are such."""

    @property
    def rmp(self) -> float:
        """Random mating probability: a pair of different tasks is crossed."""

    @property
    def crossover_probability(self) -> float:
        """CP: a pair that may be crossed is."""

    @property
    def mutation_probability(self) -> float:
        """MP: a gene is mutated."""

    @property
    def mutation(self) -> Literal["redraw", "other", "step"]:
        """How it is mutated."""

    @property
    def wheel(self) -> WheelRule:
        """How the roulette wheel weighs tasks."""

    @property
    def mutation_only_child(self) -> Literal["parent", "coin"]:
        """Where the skill factors of a pair of different tasks go when it is not crossed."""


@dataclass(frozen=True)
class Brood:
    """The offspring of a generation.

    Attributes:
        offspring: in order of birth.
        n_pairs: pairs of parents drawn.
        n_transfers: of these, pairs of different tasks that were crossed.
    """

    offspring: Population
    n_pairs: int
    n_transfers: int


@dataclass(frozen=True)
class _Child:
    """A child before it is known whether its task has room for it."""

    chromosome: Chromosome
    operator: Operator
    parents: tuple[int, int]
    of_record: Individual


def breed(
    population: Sequence[Individual],
    shares: Sequence[int],
    settings: MatingSettings,
    rng: np.random.Generator,
    *,
    generation: int,
    first_id: int,
) -> Brood:
    """Draws pairs and mates them until every task has as many offspring as its share.

    A child whose task already has its share is dropped and gets no id; its sibling may stay.

    Args:
        population: the parents, all measured.
        shares: number of offspring for every task.
        settings: probabilities and rules.
        rng: the breeding stream of this generation.
        generation: that the offspring is born in.
        first_id: of the first child; the others follow in order of birth.
    """
    wheel = RouletteWheel(population, settings.wheel)
    room = list(shares)
    offspring: list[Individual] = []
    n_pairs = n_transfers = 0
    while any(room):
        children = _mate(wheel.draw(rng), wheel.draw(rng), settings, rng)
        n_pairs += 1
        n_transfers += children[0].operator is Operator.TRANSFER
        for child in children:
            if room[child.of_record.skill_factor]:
                room[child.of_record.skill_factor] -= 1
                offspring.append(_born(child, first_id + len(offspring), generation))
    return Brood(tuple(offspring), n_pairs, n_transfers)


def _mate(
    a: Individual, b: Individual, settings: MatingSettings, rng: np.random.Generator
) -> tuple[_Child, _Child]:
    """The two children of a pair.

    The pair is crossed with probability CP, and if its tasks differ only with RMP on top; else each
    child is one parent mutated. A child has the skill factor of its individual of record: the
    first child that of `a`, the second that of `b`, or the other way round with probability 1/2
    when the tasks differ and the pair was crossed (or always by the coin, as in the authors' code).
    """
    mixed = a.skill_factor != b.skill_factor
    crossed = rng.random() < settings.crossover_probability
    if mixed:
        crossed = crossed and rng.random() < settings.rmp
    of_record = (a, b)
    if mixed and (crossed or settings.mutation_only_child == "coin") and rng.random() < 0.5:
        of_record = (b, a)
    genes = (a.chromosome, b.chromosome)
    parents = ((a.id, NOBODY), (b.id, NOBODY))
    operator = Operator.MUTATION
    if crossed:
        genes = block_crossover(*genes, rng)
        parents = ((a.id, b.id), (a.id, b.id))
        operator = Operator.TRANSFER if mixed else Operator.CROSSOVER
    mutate = _MUTATIONS[settings.mutation]
    first, second = (
        _Child(mutate(chromosome, settings.mutation_probability, rng), operator, ids, record)
        for chromosome, ids, record in zip(genes, parents, of_record, strict=True)
    )
    return first, second


def _born(child: _Child, id_: int, generation: int) -> Individual:
    return Individual(
        id=id_,
        generation=generation,
        skill_factor=child.of_record.skill_factor,
        chromosome=child.chromosome,
        operator=child.operator,
        parent_a=child.parents[0],
        parent_b=child.parents[1],
        parent_of_record=child.of_record.id,
        parent_fitness=child.of_record.fitness,
    )
