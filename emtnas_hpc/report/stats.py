"""Means over seeds, and whether two groups of seeds differ by more than their shuffling does."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt

#: Below it a difference gets a star.
LEVEL = 0.05
#: Up to so many splits a test looks at each of them: 10 against 10 seeds are 184,756.
MOST_SPLITS = 200_000

_N_DRAWN = 99_999
_CHUNK = 20_000
#: Differences that are equal but for rounding count as equal.
_TOLERANCE = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """What n seeds say together; `std` is the sample deviation, nan for a single value."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """An unpaired permutation test of the difference of two means.

    Attributes:
        p: share of the splits whose means differ at least as much, in either direction.
        n_splits: that were looked at.
        exact: whether these are all that there are; else they were drawn, with a fixed seed.
    """

    p: float
    n_splits: int
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


def compare(a: Sequence[float], b: Sequence[float]) -> Comparison:
    """Tests whether the means of two independent groups differ, two-sided.

    All splits of the pooled values into groups of these sizes are looked at, up to 200,000; beyond
    that 99,999 are drawn, and the observed one counts as one more. Neither group may be empty.
    """
    pooled = np.asarray([*a, *b], np.float64)
    observed = abs(float(np.mean(a)) - float(np.mean(b)))
    threshold = observed - _TOLERANCE * max(1.0, float(np.abs(pooled).max()))
    n_splits = math.comb(len(pooled), len(a))
    exact = n_splits <= MOST_SPLITS
    splits = (_all_splits if exact else _drawn_splits)(len(pooled), len(a))
    hits = sum(_hits(pooled, chosen, threshold) for chosen in splits)
    if exact:
        return Comparison(hits / n_splits, n_splits, exact)
    return Comparison((hits + 1) / (_N_DRAWN + 1), _N_DRAWN, exact)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down adjustment of the p values of one family, in their order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return tuple(adjusted)


def smallest_p(n_a: int, n_b: int) -> float:
    """The smallest p that groups of these sizes can give.

    Groups of equal size can always be swapped, so every difference is there twice.
    """
    return (2 if n_a == n_b else 1) / math.comb(n_a + n_b, n_a)


def seeds_needed(n_tests: int = 1) -> int:
    """Seeds a group, as many in each, from which the best of so many tests can stay below 0.05."""
    n = 2
    while n_tests * smallest_p(n, n) >= LEVEL:
        n += 1
    return n


def _hits(pooled: Floats, chosen: npt.NDArray[np.intp], threshold: float) -> int:
    """How many splits differ by the threshold; `chosen` [n_splits, n_a] are indices of group a."""
    n_a = chosen.shape[1]
    sums = pooled[chosen].sum(axis=1)
    differences = sums / n_a - (pooled.sum() - sums) / (len(pooled) - n_a)
    return int((np.abs(differences) >= threshold).sum())


def _all_splits(n: int, n_a: int) -> Iterator[npt.NDArray[np.intp]]:
    splits = combinations(range(n), n_a)
    while chunk := list(islice(splits, _CHUNK)):
        yield np.asarray(chunk, np.intp)


def _drawn_splits(n: int, n_a: int) -> Iterator[npt.NDArray[np.intp]]:
    rng = np.random.default_rng(0)
    for start in range(0, _N_DRAWN, _CHUNK):
        rows = np.tile(np.arange(n), (min(_CHUNK, _N_DRAWN - start), 1))
        yield rng.permuted(rows, axis=1)[:, :n_a]
