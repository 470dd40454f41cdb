from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from emtnas_hpc.evolution.mating import RouletteWheel

N = 4000


def draws(individuals, *rule: str) -> Counter[int]:
    wheel = RouletteWheel(individuals, *rule)
    rng = np.random.Generator(np.random.PCG64(0))
    return Counter(wheel.draw(rng).id for _ in range(N))


def test_an_easy_task_is_drawn_no_more_often_than_a_hard_one(individual) -> None:
    hard = [individual(0, 0.01), individual(1, 0.03)]
    easy = [individual(2, 0.9, task=1)]
    drawn = draws(hard + easy)
    assert binomtest(drawn[2], N, 1 / 2).pvalue > 1e-3
    assert binomtest(drawn[0], N, 1 / 8).pvalue > 1e-3


@pytest.mark.parametrize("nothing", [0.0, float("nan"), float("inf"), -0.1])
def test_fitness_that_is_no_positive_number_is_never_drawn(individual, nothing: float) -> None:
    population = [individual(0, nothing), individual(1, 0.2), individual(2, nothing)]
    assert set(draws(population)) == {1}


@pytest.mark.parametrize("nothing", [0.0, float("nan")])
def test_a_task_without_any_fitness_draws_uniformly(individual, nothing: float) -> None:
    chance = [individual(0, nothing), individual(1, nothing)]
    drawn = draws([*chance, individual(2, 0.7, task=1)])
    assert binomtest(drawn[0], N, 1 / 4).pvalue > 1e-3
    assert binomtest(drawn[2], N, 1 / 2).pvalue > 1e-3


def test_by_raw_fitness_an_individual_weighs_its_fitness_whatever_its_task(individual) -> None:
    fitness = [0.05, 0.15, 0.5, 0.3]
    drawn = draws([individual(i, f, task=i // 2) for i, f in enumerate(fitness)], "raw_fitness")
    assert chisquare([drawn[i] for i in range(4)], [N * f for f in fitness]).pvalue > 1e-3


@pytest.mark.parametrize("nothing", [0.0, float("nan"), float("inf"), -0.1])
def test_by_raw_fitness_too_what_is_no_positive_number_is_never_drawn(
    individual, nothing: float
) -> None:
    population = [individual(0, nothing), individual(1, 0.2), individual(2, 0.4, task=1)]
    assert set(draws(population, "raw_fitness")) == {1, 2}


def test_by_raw_fitness_a_task_without_any_is_drawn_once_in_a_thousand(individual) -> None:
    drawn = draws([individual(0, 0.0), individual(1, 0.9, task=1)], "raw_fitness")
    assert binomtest(drawn[0], N, 1 / 1001).pvalue > 1e-3


def test_by_raw_fitness_all_are_drawn_alike_where_none_has_any(individual) -> None:
    drawn = draws([individual(i, 0.0, task=i % 2) for i in range(4)], "raw_fitness")
    assert chisquare([drawn[i] for i in range(4)]).pvalue > 1e-3
