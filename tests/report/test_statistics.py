import math

import numpy as np
import pytest
from scipy import stats

from emtnas_hpc.report.stats import (
    compare,
    drop_and_gap,
    estimate,
    holm,
    seeds_needed,
    smallest_p,
)

GROUPS = (
    ([91.2, 91.9, 92.4, 90.8, 91.5], [87.1, 90.2, 84.9, 88.8, 86.0]),
    ([1.0, 2.0, 3.0, 4.0, 5.0], [2.5, 3.5, 0.5, 4.5, 6.5]),
    ([0.3, 0.3, 0.1], [0.3, 0.2, 0.2, 0.1]),
    ([5.0, 6.0], [1.0, 2.0, 3.0]),
    ([1.0, 1.0], [1.0, 1.0]),
)


def difference(x, y, axis):
    return abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))


def test_an_estimate_is_mean_and_sample_deviation():
    found = estimate([1.0, 2.0, 4.0])
    assert found.n == 3
    assert found.mean == pytest.approx(7 / 3)
    assert found.std == pytest.approx(np.std([1, 2, 4], ddof=1))


def test_a_drop_is_what_is_lost_and_a_gap_how_wrong_the_estimate_was():
    # Lost: 0, 0.2, 0, 0.1.
    drop, gap = drop_and_gap([0.3, 0.5, 0.3, 0.7, 0.6], [0.4, 0.5, 0.5, 0.6, 0.6])
    assert drop == pytest.approx(0.3 / 4)
    assert gap == pytest.approx((0.1 + 0.0 + 0.2 + 0.1 + 0.0) / 5)


def test_generations_without_a_true_fitness_are_passed_over():
    drop, gap = drop_and_gap([0.5, math.nan, 0.3], [0.6, 9.0, 0.3])
    assert (drop, gap) == pytest.approx((0.2, 0.05))
    assert np.isnan(drop_and_gap([0.5], [0.6])).tolist() == [True, False]
    assert np.isnan(drop_and_gap([math.nan], [0.6])).all()


def test_one_value_has_no_deviation():
    found = estimate([2.5])
    assert (found.mean, found.n) == (2.5, 1)
    assert math.isnan(found.std)


@pytest.mark.parametrize(("a", "b"), GROUPS)
def test_the_exact_test_agrees_with_scipy(a, b):
    theirs = stats.permutation_test(
        (a, b), difference, alternative="greater", n_resamples=math.inf, vectorized=True
    )
    ours = compare(a, b)
    assert ours.exact
    assert ours.n_splits == math.comb(len(a) + len(b), len(a)) == len(theirs.null_distribution)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_for_groups_of_equal_size_it_is_the_two_sided_test_of_scipy():
    a, b = GROUPS[1]
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), n_resamples=math.inf, vectorized=False
    )
    assert compare(a, b).p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_five_against_five_that_do_not_overlap_give_two_splits_of_252():
    found = compare([5, 6, 7, 8, 9], [0, 1, 2, 3, 4])
    assert (found.p, found.n_splits) == (2 / 252, 252)
    assert found.p == smallest_p(5, 5)


def test_groups_that_are_equal_give_one():
    assert compare([3.1, 3.1, 3.1], [3.1, 3.1]).p == 1.0


def test_means_that_differ_by_rounding_only_count_as_equal():
    assert compare([0.1 + 0.2, 0.4], [0.3, 0.4]).p == 1.0


def test_too_many_splits_are_drawn_the_same_way_every_time():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.0, 1.0, 12), rng.normal(0.8, 1.0, 12)
    found = compare(a, b)
    assert (found.exact, found.n_splits) == (False, 99_999)
    assert found == compare(a, b)
    theirs = stats.permutation_test(
        (a, b), difference, alternative="greater", n_resamples=99_999, vectorized=True,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.p == pytest.approx(theirs.pvalue, abs=0.01)


def test_holm_is_worked_out_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


def test_holm_agrees_with_its_definition_on_random_families():
    rng = np.random.default_rng(5)
    for size in range(1, 9):
        p = rng.uniform(size=size) ** 2
        order = np.argsort(p)
        scaled = np.maximum.accumulate(p[order] * np.arange(size, 0, -1)).clip(max=1)
        expected = np.empty(size)
        expected[order] = scaled
        assert holm(p.tolist()) == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("n", "p"), [(2, 2 / 6), (3, 2 / 20), (4, 2 / 70), (5, 2 / 252)])
def test_the_smallest_p_is_what_groups_that_do_not_overlap_give(n, p):
    low, high = list(range(n)), list(range(10, 10 + n))
    assert smallest_p(n, n) == pytest.approx(p) == pytest.approx(compare(low, high).p)


def test_unequal_groups_can_give_half_of_it():
    assert smallest_p(3, 4) == 1 / 35 == compare([20, 21, 22], [4, 5, 6, 7]).p


@pytest.mark.parametrize(("n_tests", "n"), [(1, 4), (2, 5), (6, 5), (7, 6), (22, 6), (24, 7)])
def test_four_against_four_would_do_for_one_star_and_more_for_several_tests(n_tests, n):
    assert seeds_needed(n_tests) == n
