from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.evolution.population import (
    Operator,
    different_chromosomes,
    divide,
    random_population,
    subpopulation,
)
from emtnas_hpc.space.architecture import check_chromosome


def test_twenty_individuals_over_three_tasks_are_seven_seven_and_six() -> None:
    assert divide(20, 3) == (7, 7, 6)


@given(st.integers(1, 50), st.integers(1, 10))
def test_shares_add_up_and_differ_by_at_most_one(extra: int, n_tasks: int) -> None:
    population = n_tasks + extra
    shares = divide(population, n_tasks)
    assert sum(shares) == population
    assert max(shares) - min(shares) <= 1
    assert list(shares) == sorted(shares, reverse=True)


def test_the_first_individuals_are_valid_numbered_and_have_no_parents() -> None:
    population = random_population((3, 2), np.random.Generator(np.random.PCG64(0)))
    assert [i.id for i in population] == [0, 1, 2, 3, 4]
    assert [i.skill_factor for i in population] == [0, 0, 0, 1, 1]
    assert len(different_chromosomes(population)) == 5
    for i in population:
        assert check_chromosome(i.chromosome) == i.chromosome
        assert (i.generation, i.operator) == (1, Operator.INITIAL)
        assert (i.parent_a, i.parent_b, i.parent_of_record, i.clone_of) == (-1, -1, -1, -1)


def test_individuals_that_are_drawn_later_differ_in_number_and_generation_only() -> None:
    first, later = (
        random_population((3, 2), np.random.Generator(np.random.PCG64(0)), **born)
        for born in ({}, {"generation": 4, "first_id": 15})
    )
    assert [i.id for i in later] == [15, 16, 17, 18, 19]
    assert tuple(replace(i, id=i.id - 15, generation=1) for i in later) == first


def test_a_subpopulation_keeps_its_order(individual) -> None:
    population = [individual(5, task=1), individual(2), individual(3, task=1)]
    assert [i.id for i in subpopulation(population, 1)] == [5, 3]


def test_equal_chromosomes_are_drawn_from_once(individual) -> None:
    pool = [individual(0, genes=1), individual(1, genes=0), individual(2, genes=1)]
    assert different_chromosomes(pool) == ((1,) * 40, (0,) * 40)
