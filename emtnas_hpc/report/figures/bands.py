"""Mean and spread over seeds, generation by generation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emtnas_hpc.report.figures.trace import Floats, Integers


@dataclass(frozen=True)
class Band:
    """A quantity over seeds; only generations that some seed measured.

    Attributes:
        generations: from 1, ascending.
        mean: over the seeds that measured it.
        std: sample standard deviation; 0 where a single seed did.
    """

    generations: Integers
    mean: Floats
    std: Floats


def band_of(curves: Sequence[Floats]) -> Band:
    """Averages curves that begin in generation 1, as far as the shortest goes.

    Further on the mean would jump whenever a seed is no longer in it.

    Args:
        curves: one a seed, `(its generations,)`; nan where nothing was measured.
    """
    length = min(map(len, curves))
    values = np.stack([curve[:length] for curve in curves])
    n = (~np.isnan(values)).sum(axis=0)
    (measured,) = np.nonzero(n)
    values, n = values[:, measured], n[measured]
    mean = np.nansum(values, axis=0) / n
    squares = np.nansum((values - mean) ** 2, axis=0)
    return Band(measured + 1, mean, np.sqrt(squares / np.maximum(n - 1, 1)))
