import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.evolution.selection import reevaluate, running_mean

ACCURACIES = st.floats(0, 1)


def test_fitness_is_damped_by_the_logarithm_of_the_generation() -> None:
    assert reevaluate(0.2, 0.6, 10, 100) == pytest.approx(0.4)
    assert reevaluate(0.6, 0.2, 10, 100) == pytest.approx(0.4)


@given(ACCURACIES, ACCURACIES, st.integers(1, 500))
def test_the_last_generation_takes_the_accuracy_as_it_is(parent, accuracy, generations) -> None:
    assert reevaluate(parent, accuracy, generations, generations) == accuracy


def test_a_search_of_one_generation_does_not_fail() -> None:
    assert reevaluate(0.2, 0.6, 1, 1) == 0.6


@given(ACCURACIES, ACCURACIES, st.integers(2, 299))
def test_fitness_lies_between_the_parents_and_the_own_accuracy(parent, accuracy, t) -> None:
    low, high = sorted((parent, accuracy))
    assert low - 1e-12 <= reevaluate(parent, accuracy, t, 300) <= high + 1e-12


def test_counters_that_run_on_give_the_mean_of_all_before() -> None:
    assert running_mean([0.2, 0.4, 0.9]) == pytest.approx((0.2, 0.3, 0.5))
    assert running_mean([]) == ()


def test_an_unmeasured_parent_leaves_a_child_unmeasured() -> None:
    assert math.isnan(reevaluate(math.nan, 0.5, 2, 10))
