import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from groups_by_hand import GROUPS, PAIRS
from scipy import stats

from emtnas_hpc.report.stats import (
    N_DRAWN,
    drop_and_gap,
    estimate,
    holm,
    permutation_test,
    seeds_needed,
    smallest_p,
)


def exactly(values):
    return [Fraction(repr(value)) for value in values]


def squared_welch(a, b):
    """Without any rounding; None is infinite."""
    gap = sum(a) / len(a) - sum(b) / len(b)
    error = sum(
        sum((x - sum(group) / len(group)) ** 2 for x in group) / (len(group) * (len(group) - 1))
        for group in (a, b)
    )
    if not gap:
        return Fraction(0)
    return gap**2 / error if error else None


def share_as_extreme(statistics, observed):
    as_extreme = [s is None or (observed is not None and s >= observed) for s in statistics]
    return sum(as_extreme) / len(as_extreme)


def p_by_hand(a, b):
    pooled = exactly([*a, *b])
    splits = [set(chosen) for chosen in itertools.combinations(range(len(pooled)), len(a))]
    statistics = [
        squared_welch(
            [x for i, x in enumerate(pooled) if i in chosen],
            [x for i, x in enumerate(pooled) if i not in chosen],
        )
        for chosen in splits
    ]
    return share_as_extreme(statistics, statistics[0])


def paired_p_by_hand(a, b):
    gaps = [x - y for x, y in zip(exactly(a), exactly(b), strict=True)]
    sums = [
        abs(sum(sign * gap for sign, gap in zip(signs, gaps, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(gaps))
    ]
    return share_as_extreme(sums, sums[0])


def welch(x, y, axis):
    return np.abs(stats.ttest_ind(x, y, axis=axis, equal_var=False).statistic)


def gap_of_means(x, y, axis):
    return np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))


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


@pytest.mark.parametrize(("n_tests", "n"), [(1, 4), (2, 5), (6, 5), (7, 6), (22, 6), (24, 7)])
def test_four_against_four_would_do_for_one_star_and_more_for_several_tests(n_tests, n):
    assert seeds_needed(n_tests) == n


# Permutation tests.


@pytest.mark.parametrize(("a", "b"), GROUPS)
def test_the_permutation_test_looks_at_every_split_by_welchs_statistic(a, b):
    found = permutation_test(a, b)
    assert (found.exact, found.n_permutations) == (True, math.comb(len(a) + len(b), len(a)))
    assert found.p == pytest.approx(p_by_hand(a, b), abs=1e-12)
    assert found.p == permutation_test([-5 * x for x in a], [-5 * x for x in b]).p


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_the_paired_test_looks_at_all_signs_of_the_differences(a, b):
    found = permutation_test(a, b, paired=True)
    assert (found.exact, found.n_permutations) == (True, 2 ** len(a))
    assert found.p == pytest.approx(paired_p_by_hand(a, b), abs=1e-12)


@pytest.mark.parametrize(("n_a", "n_b"), [(5, 5), (3, 8), (9, 6)])
def test_the_permutation_test_agrees_with_scipy(n_a, n_b):
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.0, 1.0, n_a), rng.normal(1.0, 2.0, n_b)
    theirs = stats.permutation_test(
        (a, b), welch, alternative="greater", n_resamples=math.inf, vectorized=True
    )
    assert permutation_test(a, b).p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_paired_test_agrees_with_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.0, 1.0, (2, 9))
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=math.inf,
        vectorized=True,
    )
    assert permutation_test(a, b, paired=True).p == pytest.approx(theirs.pvalue, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), PAIRS[:4])
def test_for_groups_of_one_size_it_is_the_test_of_the_means(a, b):
    theirs = stats.permutation_test(
        (a, b), gap_of_means, alternative="greater", n_resamples=math.inf, vectorized=True
    )
    assert permutation_test(a, b).p == pytest.approx(theirs.pvalue, abs=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_too_many_permutations_are_drawn_the_same_way_every_time(paired):
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.0, 1.0, 18), rng.normal(0.2, 1.0, 18)
    found = permutation_test(a, b, paired=paired)
    assert (found.exact, found.n_permutations) == (False, N_DRAWN)
    assert found == permutation_test(a, b, paired=paired)
    students = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(students.pvalue, abs=0.01)


@pytest.mark.parametrize(("n_a", "n_b"), [(2, 2), (3, 3), (5, 5), (3, 4), (2, 7)])
def test_the_smallest_p_is_that_of_groups_that_do_not_overlap(n_a, n_b):
    low, high = list(range(n_a)), list(range(1000, 1000 + n_b))
    assert permutation_test(low, high).p == pytest.approx(smallest_p(n_a, n_b))


@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_smallest_paired_p_is_that_of_differences_of_one_sign(n):
    found = permutation_test(list(range(n)), list(range(9, 9 + 2 * n, 2)), paired=True)
    assert found.p == smallest_p(n, n, paired=True) == 2 / 2**n


@pytest.mark.parametrize("paired", [False, True])
def test_drawn_permutations_cannot_give_less_than_one_of_them(paired):
    low, high = [0.01 * i for i in range(20)], [100 + 0.01 * i for i in range(20)]
    found = permutation_test(low, high, paired=paired)
    assert found.p == pytest.approx(smallest_p(20, 20, paired=paired), rel=1e-9)


def test_unequal_spreads_and_sizes_mislead_it_less_than_a_test_of_the_means():
    rng = np.random.default_rng(4)
    splits = np.array(list(itertools.combinations(range(14), 4)))
    n_found = n_of_means = 0
    for a, b in zip(rng.normal(0, 3, (400, 4)), rng.normal(0, 1, (400, 10)), strict=True):
        n_found += permutation_test(a, b).p < 0.05
        pooled = np.concatenate([a, b])
        sums = pooled[splits].sum(axis=1)
        gaps = np.abs(sums / 4 - (pooled.sum() - sums) / 10)
        n_of_means += np.mean(gaps >= gaps[0] - 1e-12) < 0.05
    assert n_found / 400 < 0.1 < 0.15 < n_of_means / 400
