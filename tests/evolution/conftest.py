"""A whole search without a network: fitness is a function of the chromosome."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from emtnas_hpc.evolution.individual import Individual, Operator
from emtnas_hpc.evolution.mating import Brood, breed
from emtnas_hpc.evolution.population import Population, divide, initial_population
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.evolution.reevaluation import reevaluate
from emtnas_hpc.evolution.selection import Selection, select
from emtnas_hpc.space.chromosome import GENE_RANGES, N_GENES, Chromosome


@dataclass(frozen=True)
class Mating:
    rmp: float = 0.3
    crossover_probability: float = 1.0
    mutation_probability: float = 0.02
    mutation: Any = "redraw"
    mutation_only_child: Any = "parent"


@dataclass(frozen=True)
class FakeState:
    generation: int
    population: Population
    next_id: int


@dataclass(frozen=True)
class FakeGeneration:
    parents: Population
    brood: Brood
    selection: Selection
    state: FakeState


def accuracy(chromosome: Chromosome, task: int) -> float:
    """Task 0 wants all genes high, task 1 low in the first cell, task 2 in the second."""
    wanted_low = {1: range(20), 2: range(20, 40)}.get(task, range(0))
    return sum(
        (n - 1 - gene if position in wanted_low else gene) / (n - 1)
        for position, (gene, n) in enumerate(zip(chromosome, GENE_RANGES, strict=True))
    ) / len(chromosome)


def first_state(seed: int, shares: tuple[int, ...]) -> FakeState:
    drawn = initial_population(shares, stream(seed, 1, None, Purpose.INITIAL))
    population = tuple(
        replace(i, sampled_accuracy=a, fitness=a)
        for i in drawn
        for a in (accuracy(i.chromosome, i.skill_factor),)
    )
    return FakeState(1, population, len(population))


def step(
    state: FakeState, shares: tuple[int, ...], mating: Mating, seed: int, generations: int
) -> FakeGeneration:
    t = state.generation + 1
    rng = stream(seed, t, None, Purpose.BREEDING)
    brood = breed(state.population, shares, mating, rng, generation=t, first_id=state.next_id)
    measured = []
    for child in brood.offspring:
        sampled = accuracy(child.chromosome, child.skill_factor)
        fitness = reevaluate(child.parent_fitness, sampled, t, generations)
        measured.append(replace(child, sampled_accuracy=sampled, fitness=fitness))
    selection = select(state.population, measured, shares)
    next_id = state.next_id + len(brood.offspring)
    after = FakeState(t, selection.population, next_id)
    return FakeGeneration(state.population, brood, selection, after)


@pytest.fixture(scope="session")
def fake_search() -> Callable[..., list[FakeGeneration]]:
    def search(
        n_tasks: int = 2,
        population: int = 20,
        generations: int = 5,
        seed: int = 0,
        **mating: Any,
    ) -> list[FakeGeneration]:
        shares = divide(population, n_tasks)
        state = first_state(seed, shares)
        history: list[FakeGeneration] = []
        while state.generation < generations:
            history.append(step(state, shares, Mating(**mating), seed, generations))
            state = history[-1].state
        return history

    return search


@pytest.fixture(scope="session")
def mating() -> type[Mating]:
    return Mating


@pytest.fixture(scope="session")
def individual() -> Callable[..., Individual]:
    """An individual of which only what a test talks about needs saying; `genes` fills all 40."""

    def make(
        id: int,
        fitness: float = 0.5,
        task: int = 0,
        genes: int | None = None,
        chromosome: Chromosome | None = None,
    ) -> Individual:
        own = tuple(id % n for n in GENE_RANGES) if genes is None else (genes,) * N_GENES
        return Individual(
            id=id,
            generation=1,
            skill_factor=task,
            chromosome=chromosome or own,
            operator=Operator.INITIAL,
            fitness=fitness,
        )

    return make


@pytest.fixture(scope="session")
def binomial_p_value() -> Callable[[int, int, float], float]:
    """The exact two-sided test: the probability of anything at most as likely as `hits`."""

    def p_value(hits: int, n: int, p: float) -> float:
        def log_mass(k: int) -> float:
            choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            return choose + k * math.log(p) + (n - k) * math.log1p(-p)

        seen = log_mass(hits) + 1e-9
        return math.fsum(math.exp(m) for m in map(log_mass, range(n + 1)) if m <= seen)

    return p_value
