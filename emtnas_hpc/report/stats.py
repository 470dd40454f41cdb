"""Means over seeds, and tests whether two groups of seeds differ by more than chance."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, count

import numpy as np
import numpy.typing as npt

#: Below it a difference gets a star.
LEVEL = 0.05
#: Up to so many permutations a test looks at each of them: 10 against 10 seeds have 184,756.
MOST_PERMUTATIONS = 200_000
#: Permutations that are drawn, with a fixed seed, where there are more.
N_DRAWN = 99_999
#: Statistics that differ by less of themselves are equal but for rounding.
ALIKE = 1e-9

_CHUNK = 20_000
#: Of values scaled to 1: a difference or an error below it is none but for rounding.
_NOTHING = 1e-12

Group = Sequence[float]
Floats = npt.NDArray[np.float64]
#: Of permutations `(n_permutations, n_values)`: the values in group a, or those that keep a sign.
Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """What n seeds say together; `std` is the sample deviation, nan for a single value."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True)
class PermutationTest:
    """A two-sided test whether two groups are alike.

    Attributes:
        p: share of the permutations that differ at least as much; nan where a group has a single
            value, and with it no spread.
        n_permutations: that were looked at.
        exact: whether these are all that there are; else they were drawn, with a fixed seed.
    """

    p: float
    n_permutations: int
    exact: bool


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and sample standard deviation of at least one value."""
    array = np.asarray(values, np.float64)
    std = float(array.std(ddof=1)) if len(array) > 1 else math.nan
    return Estimate(float(array.mean()), std, len(array))


def drop_and_gap(true: npt.ArrayLike, estimated: npt.ArrayLike) -> tuple[float, float]:
    """Figure 5 in two numbers: the means of max(0, f(t-1) - f(t)) and of |estimated - f|.

    f is the fittest's true fitness, from one generation to the next; nan where it is not measured.
    """
    f, seen = np.asarray(true, np.float64), np.asarray(estimated, np.float64)
    measured = ~np.isnan(f)
    drops, gaps = np.maximum(0.0, -np.diff(f[measured])), np.abs(seen - f)[measured]
    drop, gap = (float(each.mean()) if len(each) else math.nan for each in (drops, gaps))
    return drop, gap


def permutation_test(a: Group, b: Group, *, paired: bool = False) -> PermutationTest:
    """Tests whether two groups are alike, by Welch's statistic or the mean of paired differences.

    All splits of the pooled values into groups of these sizes are looked at, or all signs of the
    differences, up to 200,000; beyond that 99,999 are drawn, and the observed one counts as one
    more. Where spreads and sizes of the groups differ, a difference of means alone would find too
    much, or too little.
    """
    x, y = as_arrays(a, b, paired)
    if min(len(x), len(y)) < 2:
        return PermutationTest(math.nan, 0, exact=True)
    statistic: Callable[[Floats, Masks], Floats]
    if paired:
        values, statistic, observed = x - y, _flipped, np.ones((1, len(x)), np.bool_)
    else:
        # Of groups of one size Welch's statistic is a function of the gap, which is faster.
        values, statistic = np.concatenate([x, y]), _gap if len(x) == len(y) else _welch
        values = values - values.mean()
        observed = (np.arange(len(values)) < len(x))[None]
    values = values / (float(np.abs(values).max()) or 1.0)
    threshold = float(statistic(values, observed)[0]) * (1 - ALIKE)
    exact = n_permutations(len(x), len(y), paired) <= MOST_PERMUTATIONS
    masks = _permutations(len(x), len(y), paired)
    chunks = (masks[i : i + _CHUNK] for i in range(0, len(masks), _CHUNK))
    hits = sum(int((statistic(values, some) >= threshold).sum()) for some in chunks)
    n = len(masks)
    return PermutationTest((hits + (not exact)) / (n + (not exact)), n, exact)


def as_arrays(a: Group, b: Group, paired: bool) -> tuple[Floats, Floats]:
    """Two groups to compute with; paired ones must be of one size."""
    if paired and len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    return np.asarray(a, np.float64), np.asarray(b, np.float64)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of the p values of one family, in their order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return tuple(adjusted)


def smallest_p(n_a: int, n_b: int, *, paired: bool = False) -> float:
    """The smallest p that `permutation_test` can give groups of these sizes; nan below two."""
    if min(n_a, n_b) < 2:
        return math.nan
    n = n_permutations(n_a, n_b, paired)
    if n > MOST_PERMUTATIONS:
        return 1 / (N_DRAWN + 1)
    # Signs, and groups of equal size, can all be swapped, so every difference is there twice.
    return (2 if n_a == n_b else 1) / n


def seeds_needed(n_tests: int = 1, *, paired: bool = False) -> int:
    """Seeds a group, as many in each, from which the best of so many tests can stay below 0.05."""
    return next(n for n in count(2) if n_tests * smallest_p(n, n, paired=paired) < LEVEL)


def n_permutations(n_a: int, n_b: int, paired: bool) -> int:
    """Splits of the pooled values into groups of these sizes, or signs of all differences."""
    return 2**n_a if paired else math.comb(n_a + n_b, n_a)


def _welch(values: Floats, masks: Masks) -> Floats:
    """Welch's statistic of every split, without its sign; inf where no group has a spread."""
    means, variance = [], np.zeros(len(masks))
    for chosen in (masks, ~masks):
        n = int(chosen[0].sum())
        mean = (chosen * values).sum(axis=1) / n
        squares = (chosen * (values - mean[:, None]) ** 2).sum(axis=1)
        variance += squares / (n * (n - 1))
        means.append(mean)
    gap, error = _cleared(np.abs(means[0] - means[1])), _cleared(np.sqrt(variance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, gap / error)


def _gap(values: Floats, masks: Masks) -> Floats:
    """The sum of group a without its sign, of values that add up to zero."""
    return _cleared(np.abs(masks @ values))


def _flipped(values: Floats, masks: Masks) -> Floats:
    """The mean of differences without its sign, of which Student's statistic is a function."""
    return _cleared(np.abs(np.where(masks, values, -values).mean(axis=1)))


def _cleared(numbers: Floats) -> Floats:
    return np.where(numbers < _NOTHING, 0.0, numbers)


@lru_cache(maxsize=4)
def _permutations(n_a: int, n_b: int, paired: bool) -> Masks:
    """All of them, or those that are drawn; the contrasts of a family mostly share them."""
    if n_permutations(n_a, n_b, paired) <= MOST_PERMUTATIONS:
        return all_signs(n_a) if paired else all_splits(n_a + n_b, n_a)
    rng = np.random.default_rng(0)
    if paired:
        signs: Masks = rng.random((N_DRAWN, n_a)) < 0.5
        return signs
    splits: Masks = rng.permuted(np.tile(np.arange(n_a + n_b) < n_a, (N_DRAWN, 1)), axis=1)
    return splits


def all_splits(n: int, n_a: int) -> Masks:
    """Those with the first value in group a come first, in the order of the others."""
    members = np.fromiter(chain.from_iterable(combinations(range(n), n_a)), np.intp)
    masks = np.zeros((math.comb(n, n_a), n), np.bool_)
    np.put_along_axis(masks, members.reshape(-1, n_a), True, axis=1)
    return masks


def all_signs(n: int) -> Masks:
    """Those that keep a sign, of all ways to turn the signs of n differences."""
    signs: Masks = (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1
    return signs
