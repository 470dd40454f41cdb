"""Contrasts: by how much two groups of seeds differ, how sure that is, and how many seeds it takes.

Intervals are by Student's t with Welch's degrees of freedom, p by a permutation test, which holds
whatever the distribution is. Groups are paired where seeds of one number share what they draw.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from emtnas_hpc.report.stats import (
    ALIKE,
    LEVEL,
    MOST_PERMUTATIONS,
    N_DRAWN,
    Floats,
    Group,
    PermutationTest,
    all_signs,
    all_splits,
    as_arrays,
    holm,
    n_permutations,
    permutation_test,
    smallest_p,
)

#: No plan asks for more seeds.
MOST_SEEDS = 1000

#: From here on more seeds never have less power, as the levels that p can have lie close.
_FEW_SEEDS = 13
_MOST_SIMULATED = 4000
#: Far below what a plan asks for, an approximation does; a simulation takes 0.2 s.
_HOPELESS = 0.6
_N_SAMPLES = 2000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        value: the estimate.
        low: the lower end; nan where a group has a single value.
        high: the upper end, likewise.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """Group a against group b, in a family of such contrasts.

    Attributes:
        difference: of the means, a - b.
        ratio: of the means, a / b; nan unless both are positive.
        test: whether there is a difference at all.
        q: the test's p after Holm's adjustment within the family; nan where p is.
        smallest_p: the smallest p that groups of these sizes can give; likewise.
    """

    difference: Interval
    ratio: Interval
    test: PermutationTest
    q: float
    smallest_p: float


def contrasts(
    family: Sequence[tuple[Group, Group]], *, paired: bool = False
) -> tuple[Contrast, ...]:
    """All contrasts of a family, in its order.

    Args:
        family: groups a and b of each; where they are paired, in the same order of seeds.
        paired: whether a's values belong to b's, one by one.
    """
    tests = [permutation_test(a, b, paired=paired) for a, b in family]
    adjusted = iter(holm([test.p for test in tests if not math.isnan(test.p)]))
    return tuple(
        Contrast(
            difference=difference_of_means(a, b, paired=paired),
            ratio=ratio_of_means(a, b, paired=paired),
            test=test,
            q=math.nan if math.isnan(test.p) else next(adjusted),
            smallest_p=smallest_p(len(a), len(b), paired=paired),
        )
        for (a, b), test in zip(family, tests, strict=True)
    )


def difference_of_means(
    a: Group, b: Group, *, paired: bool = False, confidence: float = 0.95
) -> Interval:
    """The difference of the means of two groups, a - b, with Welch's or the paired interval."""
    x, y = as_arrays(a, b, paired)
    value = float(x.mean() - y.mean())
    margin = _margin(x, y, paired, confidence)
    return Interval(value, value - margin, value + margin)


def ratio_of_means(
    a: Group, b: Group, *, paired: bool = False, confidence: float = 0.95
) -> Interval:
    """The ratio of the means of two groups, a / b; its interval is one of the logarithm.

    By the delta method the error of a mean's logarithm is that of the values over their mean.
    """
    x, y = as_arrays(a, b, paired)
    if x.mean() <= 0 or y.mean() <= 0:
        return Interval(math.nan, math.nan, math.nan)
    value = float(x.mean() / y.mean())
    with np.errstate(over="ignore"):
        factor = float(np.exp(_margin(x / x.mean(), y / y.mean(), paired, confidence)))
    return Interval(value, value / factor, value * factor)


def pooled_deviation(a: Group, b: Group, *, paired: bool = False) -> float:
    """The standard deviation within two groups of at least two values; paired, of differences.

    Both groups count alike, as in the plan that it is for, where they are of one size: weighted
    by its seeds, a large group with a small spread would hide the other one's.
    """
    x, y = as_arrays(a, b, paired)
    if paired:
        return float((x - y).std(ddof=1))
    return math.sqrt((float(x.var(ddof=1)) + float(y.var(ddof=1))) / 2)


def _margin(x: Floats, y: Floats, paired: bool, confidence: float) -> float:
    """Half the width of the interval of a difference of means."""
    if min(len(x), len(y)) < 2:
        return math.nan
    if paired:
        df: float = len(x) - 1
        error = float((x - y).std(ddof=1)) / math.sqrt(len(x))
    else:
        parts = [float(group.var(ddof=1)) / len(group) for group in (x, y)]
        error = math.sqrt(sum(parts))
        if not error:
            return 0.0
        # Welch and Satterthwaite; of shares, since squares of small variances are zero.
        shares = [part / sum(parts) for part in parts]
        df = 1 / sum(s**2 / (len(g) - 1) for s, g in zip(shares, (x, y), strict=True))
    return t_quantile((1 + confidence) / 2, df) * error


def power(
    difference: float, deviation: float, n: int, *, level: float = LEVEL, paired: bool = False
) -> float:
    """Chance that n seeds a group show a difference between normal groups, with a p below a level.

    Up to 4,000 permutations the test itself is simulated, with a fixed seed: it has less power than
    Student's. Beyond that it is Student's, at the largest level below that the p can have.

    Args:
        difference: of the means.
        deviation: within the groups, `pooled_deviation`.
        n: at least two.
        level: that p has to be below, such as 0.05 over the number of contrasts in the family.
        paired: whether the deviation is that of paired differences.
    """
    kept = _kept_level(n, level, paired)
    if not kept or not difference:
        return kept
    if not deviation:
        return 1.0
    effect = abs(difference) / deviation
    df = n - 1 if paired else 2 * (n - 1)
    of_student = _students_power(effect * math.sqrt(n if paired else n / 2), kept, df)
    if of_student < _HOPELESS or n_permutations(n, n, paired) > _MOST_SIMULATED:
        return of_student
    return _simulated_power(effect, n, level, paired)


def _simulated_power(effect: float, n: int, level: float, paired: bool) -> float:
    """Share of samples with deviation 1 whose permutation test finds the effect."""
    rng = np.random.default_rng(0)
    if paired:
        values = rng.normal(effect, 1.0, (_N_SAMPLES, n))
        signs = _first_half(np.where(all_signs(n), 1.0, -1.0))
        statistics, observed = np.abs(values @ signs.T), np.abs(values.sum(axis=1))
    else:
        values = rng.normal(0.0, 1.0, (_N_SAMPLES, 2 * n))
        values[:, :n] += effect
        chosen = _first_half(all_splits(2 * n, n).astype(np.float64))
        # Of groups of one size Welch's statistic is Student's, which only the gap decides.
        gaps = 2 * (values @ chosen.T) - values.sum(axis=1, keepdims=True)
        statistics, observed = np.abs(gaps), np.abs(gaps[:, 0])
    p = (statistics >= observed[:, None] * (1 - ALIKE)).mean(axis=1)
    return float((p < level).mean())


def _first_half(permutations: Floats) -> Floats:
    """The other half has the same statistics: groups, or all signs, are swapped."""
    return permutations[: len(permutations) // 2]


def _students_power(shift: float, level: float, df: float) -> float:
    """Chance that Student's t, shifted, passes the quantile of a level in either direction."""
    critical = t_quantile(1 - level / 2, df)
    constant = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    cdf = np.vectorize(NormalDist().cdf)

    def of_deviation(s: Floats) -> Floats:
        """Density of an observed deviation, in units of the true one, times the power there."""
        density = np.exp(constant + (df - 1) * np.log(s) - df / 2 * s**2)
        found: Floats = density * (cdf(shift - critical * s) + cdf(-shift - critical * s))
        return found

    reach = 10 / math.sqrt(2 * df)
    return _integral(of_deviation, max(0.0, 1 - reach), 1 + reach)


def seeds_to_show(
    difference: float,
    deviation: float,
    *,
    n_contrasts: int = 1,
    target: float = 0.8,
    paired: bool = False,
) -> int | None:
    """Seeds a group, as many in each, from which a difference is shown with a power of 80 %.

    Args:
        difference: of the means, worth showing.
        deviation: within the groups, `pooled_deviation`.
        n_contrasts: of the family; the level is 0.05 over it, the strictest that Holm's has.
        target: the power.
        paired: whether the deviation is that of paired differences.

    Returns:
        At least two; None where `MOST_SEEDS` would not do.
    """
    level = LEVEL / n_contrasts

    def is_enough(n: int) -> bool:
        return power(difference, deviation, n, level=level, paired=paired) >= target

    few = next(filter(is_enough, range(2, _FEW_SEEDS)), None)
    if few is not None:
        return few
    more = range(_FEW_SEEDS, MOST_SEEDS + 1)
    found = bisect_left(more, True, key=is_enough)
    return more[found] if found < len(more) else None


def _kept_level(n: int, level: float, paired: bool) -> float:
    """The largest p below a level that n seeds a group can give; 0 for none."""
    if n_permutations(n, n, paired) > MOST_PERMUTATIONS:
        return level if level > 1 / (N_DRAWN + 1) else 0.0
    # Signs and groups of one size can all be swapped, so every p is a multiple of the smallest.
    step = smallest_p(n, n, paired=paired)
    return (math.ceil(level / step) - 1) * step


def t_quantile(probability: float, df: float) -> float:
    """The quantile of Student's t, from the median up.

    With t = sqrt(df) tan(angle) the density is cos(angle) ** (df - 1) but for a constant.

    Args:
        probability: 0.5 to below 1.
        df: degrees of freedom, at least 1.
    """
    log_ratio = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    constant = 2 / math.sqrt(math.pi) * math.exp(log_ratio)

    def density(angle: Floats) -> Floats:
        found: Floats = constant * np.cos(angle) ** (df - 1)
        return found

    target, angle = 2 * probability - 1, 0.0
    # Newton's method: the integral is concave, so it comes from below and never passes the end.
    for _step in range(100):
        step = (target - _integral(density, 0.0, angle)) / float(density(np.array([angle]))[0])
        angle += step
        if step < 1e-15:
            break
    return math.sqrt(df) * math.tan(angle)


def _integral(function: Callable[[Floats], Floats], low: float, high: float) -> float:
    """By Gauss and Legendre."""
    half = (high - low) / 2
    return half * float(_WEIGHTS @ function(low + half * (1 + _NODES)))
