"""The learning rate of a generation."""

import math


def learning_rate(first: float, generation: int, generations: int) -> float:
    """lr(t) = lr(1) / 2 * (1 + cos(pi (t - 1) / T)): never exactly 0 (Table 1, cosine).

    Args:
        first: the learning rate of generation 1.
        generation: t, 1..T.
        generations: T.
    """
    return first / 2 * (1 + math.cos(math.pi * (generation - 1) / generations))
