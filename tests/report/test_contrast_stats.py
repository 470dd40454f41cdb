import math

import numpy as np
import pytest
from groups_by_hand import GROUPS, PAIRS
from scipy import stats

from emtnas_hpc.report.contrast_stats import (
    MOST_SEEDS,
    contrasts,
    difference_of_means,
    pooled_deviation,
    power,
    ratio_of_means,
    seeds_to_show,
    t_quantile,
)
from emtnas_hpc.report.stats import holm, permutation_test, smallest_p


def ends(interval):
    return interval.low, interval.high


# Intervals.


@pytest.mark.parametrize("df", [1, 1.5, 2, 3.7, 8, 38, 500])
@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.975, 0.995, 0.9999])
def test_the_quantile_of_students_t_is_that_of_scipy(probability, df):
    expected = stats.t.ppf(probability, df)
    assert t_quantile(probability, df) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), GROUPS[:5])
def test_the_interval_of_a_difference_is_welchs(a, b):
    found = difference_of_means(a, b)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b))
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert ends(found) == pytest.approx(tuple(expected), rel=1e-9)


@pytest.mark.parametrize(("a", "b"), PAIRS[:3])
def test_the_interval_of_a_paired_difference_is_that_of_scipy(a, b):
    expected = stats.ttest_rel(a, b).confidence_interval(0.9)
    found = difference_of_means(a, b, paired=True, confidence=0.9)
    assert ends(found) == pytest.approx(tuple(expected), rel=1e-9)


def test_a_group_without_a_spread_adds_nothing_to_the_interval():
    margin = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert ends(difference_of_means(*GROUPS[5])) == pytest.approx((-0.7 - margin, -0.7 + margin))


@pytest.mark.parametrize("paired", [False, True])
def test_groups_without_a_spread_differ_by_one_number(paired):
    found = difference_of_means(*GROUPS[6], paired=paired)
    assert (found.low, found.value, found.high) == pytest.approx((-0.6, -0.6, -0.6))


def test_a_single_value_has_a_difference_and_no_interval_or_test():
    (found,) = contrasts([((3.0,), (1.0, 2.0))])
    assert (found.difference.value, found.ratio.value) == (1.5, 2.0)
    unknown = (*ends(found.difference), *ends(found.ratio), found.test.p, found.q, found.smallest_p)
    assert all(map(math.isnan, unknown))
    assert found.test.n_permutations == 0


def test_groups_of_two_sizes_cannot_be_paired():
    with pytest.raises(ValueError, match="2 values cannot be paired with 3"):
        difference_of_means((1.0, 2.0), (1.0, 2.0, 3.0), paired=True)


def test_a_ratio_has_the_interval_of_its_logarithm_by_the_delta_method():
    a, b = GROUPS[0]
    found = ratio_of_means(a, b)
    assert found.value == np.mean(a) / np.mean(b)
    expected = stats.ttest_ind(
        np.array(a) / np.mean(a), np.array(b) / np.mean(b), equal_var=False
    ).confidence_interval(0.95)
    logs = np.log(ends(found)) - np.log(found.value)
    assert tuple(logs) == pytest.approx(tuple(expected), rel=1e-9)


def test_a_ratio_does_not_depend_on_the_unit_and_turned_round_is_its_inverse():
    a, b = GROUPS[0]
    found = ratio_of_means(a, b)
    minutes = ratio_of_means([x / 60 for x in a], [x / 60 for x in b])
    assert ends(minutes) == pytest.approx(ends(found))
    turned = ratio_of_means(b, a)
    assert (1 / turned.high, 1 / turned.low) == pytest.approx(ends(found))


def test_what_pairs_share_is_no_error_of_their_ratio():
    b = (10.0, 20.0, 40.0, 15.0)
    found = ratio_of_means([0.9 * x for x in b], b, paired=True)
    assert (found.low, found.value, found.high) == pytest.approx((0.9, 0.9, 0.9))
    unpaired = ratio_of_means([0.9 * x for x in b], b)
    assert unpaired.low < 0.5 < 1.5 < unpaired.high


@pytest.mark.parametrize("a", [(-1.0, 1.0), (-3.0, -1.0)])
def test_means_that_are_not_positive_have_no_ratio(a):
    assert all(map(math.isnan, (ratio_of_means(a, (1.0, 2.0)).value, *ends(ratio_of_means(a, a)))))


@pytest.mark.parametrize(("n_a", "n_b"), [(5, 5), (5, 20), (20, 5), (8, 12)])
@pytest.mark.parametrize("of", ["difference", "ratio"])
def test_nineteen_of_twenty_intervals_hold_the_truth_where_spreads_differ(n_a, n_b, of):
    rng = np.random.default_rng(n_a)
    measure, truth = {
        "difference": (difference_of_means, 2.0),
        "ratio": (ratio_of_means, 92 / 90),
    }[of]
    n_held = 0
    for a, b in zip(
        rng.normal(92.0, 3.0, (2000, n_a)), rng.normal(90.0, 1.0, (2000, n_b)), strict=True
    ):
        low, high = ends(measure(a, b))
        n_held += low <= truth <= high
    assert 0.935 <= n_held / 2000 <= 0.97


# Families.


def test_a_family_is_adjusted_by_holms_rule_and_what_is_not_tested_is_left_out():
    family = [*GROUPS[:3], ((1.0,), (2.0, 3.0))]
    found = contrasts(family)
    assert [c.test for c in found[:3]] == [permutation_test(a, b) for a, b in family[:3]]
    assert tuple(c.q for c in found[:3]) == holm([c.test.p for c in found[:3]])
    assert math.isnan(found[3].q)
    assert found[0].difference == difference_of_means(*family[0])
    assert found[0].ratio == ratio_of_means(*family[0])
    assert found[0].smallest_p == 2 / 252


def test_a_paired_family_is_paired_throughout():
    (found,) = contrasts([PAIRS[0]], paired=True)
    assert found.difference == difference_of_means(*PAIRS[0], paired=True)
    assert found.ratio == ratio_of_means(*PAIRS[0], paired=True)
    assert (found.test.n_permutations, found.smallest_p) == (32, 2 / 32)


def test_of_families_without_an_effect_one_in_twenty_finds_one_at_most():
    rng = np.random.default_rng(6)
    n_wrong = 0
    for _family in range(250):
        baseline = rng.normal(0, 1, 5)
        family = [(rng.normal(0, 1, 5), baseline) for _arm in range(4)]
        n_wrong += any(contrast.q < 0.05 for contrast in contrasts(family))
    # A little more may be luck: two standard errors.
    assert n_wrong / 250 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 250)


# Seeds that a difference takes.


@pytest.mark.parametrize(("a", "b"), GROUPS[:6])
def test_the_deviation_is_that_of_groups_that_count_alike(a, b):
    expected = math.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    assert pooled_deviation(a, b) == pytest.approx(expected)


def test_many_seeds_with_a_small_spread_do_not_hide_that_few_others_have_a_large_one():
    rng = np.random.default_rng(8)
    few, many = rng.normal(0, 3.0, 3), rng.normal(0, 0.5, 40)
    n = seeds_to_show(2.0, pooled_deviation(few, many))
    a, b = rng.normal(2.0, few.std(ddof=1), (400, n)), rng.normal(0, many.std(ddof=1), (400, n))
    assert np.mean(stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05) > 0.7


def test_paired_the_deviation_is_that_of_the_differences():
    assert pooled_deviation((1.0, 2.0, 4.0), (0.0, 1.0, 3.0), paired=True) == 0
    assert pooled_deviation((1.0, 2.0), (0.0, 3.0), paired=True) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    ("n", "effect", "level", "paired"),
    [
        *((4, 2.75, 0.05, False), (5, 2.0, 0.05, False), (5, 3.0, 0.05 / 6, False)),
        *((6, 1.65, 0.05, True), (8, 1.7, 0.05 / 6, True), (12, 0.9, 0.05, True)),
    ],
)
def test_power_is_the_share_of_simulated_seeds_that_show_the_difference(n, effect, level, paired):
    rng = np.random.default_rng(7)
    # Of paired differences, with a deviation of 1 each.
    a, b = rng.normal(effect, 1.0, (400, n)), rng.normal(0.0, 1.0, (400, n)) * (not paired)
    tests = (permutation_test(x, y, paired=paired) for x, y in zip(a, b, strict=True))
    share = sum(test.p < level for test in tests) / 400
    assert 0.5 < share < 0.95
    assert power(10 * effect, 10.0, n, level=level, paired=paired) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(("n", "effect"), [(8, 1.5), (20, 0.9), (60, 0.5)])
def test_with_many_permutations_power_is_that_of_students_test(n, effect):
    rng = np.random.default_rng(8)
    a, b = rng.normal(effect, 1.0, (4000, n)), rng.normal(0.0, 1.0, (4000, n))
    share = float((stats.ttest_ind(a, b, axis=1).pvalue < 0.05).mean())
    assert power(effect, 1.0, n) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("n", [5, 13])
def test_without_a_difference_power_is_the_level_that_the_test_keeps(n, paired):
    kept = power(0.0, 1.0, n, paired=paired)
    n_pairs = (2**n if paired else math.comb(2 * n, n)) / 2
    if n == 5:
        assert kept == (0.0 if paired else 6 / 126)
    assert 0.05 - 1 / n_pairs <= kept < 0.05 or (n == 13 and not paired and kept == 0.05)


@pytest.mark.parametrize(
    ("n_contrasts", "n", "paired"),
    [(1, 4, False), (2, 5, False), (6, 5, False), (7, 6, False), (1, 6, True), (8, 9, True)],
)
def test_however_large_the_difference_the_test_has_to_reach_the_level(n_contrasts, n, paired):
    for deviation in (0.0, 1e-3):
        assert seeds_to_show(1.0, deviation, n_contrasts=n_contrasts, paired=paired) == n
    assert smallest_p(n, n, paired=paired) * n_contrasts < 0.05
    assert smallest_p(n - 1, n - 1, paired=paired) * n_contrasts >= 0.05


def test_so_many_seeds_have_the_power_and_one_less_has_not():
    for difference, n_contrasts, paired in ((1.5, 1, False), (1.0, 6, False), (1.0, 3, True)):
        n = seeds_to_show(difference, 1.0, n_contrasts=n_contrasts, paired=paired)
        level = 0.05 / n_contrasts
        assert power(difference, 1.0, n, level=level, paired=paired) >= 0.8
        assert power(difference, 1.0, n - 1, level=level, paired=paired) < 0.8


def test_seeds_are_those_of_the_text_books_where_there_are_many():
    # Cohen's table: two groups, 0.05 two-sided, power 0.8.
    assert seeds_to_show(0.5, 1.0) == 64
    assert seeds_to_show(-0.8, 1.0) == 26
    assert seeds_to_show(0.5, 1.0, target=0.9) == 86
    assert seeds_to_show(0.5, 1.0, paired=True) == 34


def test_a_difference_that_no_plan_would_show_has_no_number():
    assert seeds_to_show(0.0, 1.0) is None
    assert seeds_to_show(0.1, 1.0) is None
    assert power(0.1, 1.0, MOST_SEEDS) < 0.8
