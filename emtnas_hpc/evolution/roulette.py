"""The roulette wheel that draws parents."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from emtnas_hpc.evolution.individual import Individual


class RouletteWheel:
    """Draws individuals, with replacement, proportionally to their fitness within their task.

    Every task has the same total weight: raw fitness would give the easier task most draws. Fitness
    that is not a positive number weighs nothing; a task that has no other draws uniformly.
    """

    def __init__(self, individuals: Sequence[Individual]) -> None:
        self._individuals = tuple(individuals)
        weights: dict[int, list[float]] = defaultdict(list)
        for individual in individuals:
            weights[individual.skill_factor].append(_weight(individual))
        totals = {task: math.fsum(of_task) for task, of_task in weights.items()}

        def share(individual: Individual) -> float:
            task = individual.skill_factor
            total = totals[task]
            return _weight(individual) / total if total else 1 / len(weights[task])

        self._cumulative = list(accumulate(map(share, individuals)))

    def draw(self, rng: np.random.Generator) -> Individual:
        """Draws one individual."""
        # random() < 1, so the point lies before the end, and never on one that weighs nothing.
        point = rng.random() * self._cumulative[-1]
        return self._individuals[bisect_right(self._cumulative, point)]


def _weight(individual: Individual) -> float:
    fitness = individual.fitness
    return fitness if math.isfinite(fitness) and fitness > 0 else 0.0
