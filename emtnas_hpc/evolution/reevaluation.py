"""From measured accuracy to fitness."""

import math
from collections.abc import Iterable
from itertools import accumulate


def reevaluate(
    parent_fitness: float, sampled_accuracy: float, generation: int, generations: int
) -> float:
    """Damps an offspring's accuracy toward its parent's fitness, less so as the search goes on.

    F = F_p + (F_o - F_p) * log_T(t): equation 2 of the paper. Early accuracies say little, because
    the weights have seen little training; in the last generation F is exactly F_o.

    Args:
        parent_fitness: F_p, of the parent of record.
        sampled_accuracy: F_o, in [0, 1].
        generation: t, 1..T.
        generations: T.
    """
    # Exact at the end, and log_T does not exist for T = 1.
    if generation == generations:
        return sampled_accuracy
    trust = math.log(generation) / math.log(generations)
    return parent_fitness + (sampled_accuracy - parent_fitness) * trust


def running_mean(accuracies: Iterable[float]) -> tuple[float, ...]:
    """The accuracies of a brood as the authors' code has them: its counters are never reset.

    Each individual gets the mean of its own accuracy and those measured before it (mini-batches of
    one size).
    """
    return tuple(total / n for n, total in enumerate(accumulate(accuracies), start=1))
