from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest

from emtnas_hpc.evolution.mating import RouletteWheel

N = 4000


def draws(individuals) -> Counter[int]:
    wheel = RouletteWheel(individuals)
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
