"""The search's own share of a generation: offspring and selection."""

from dataclasses import replace

import numpy as np

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import median, timed
from emtnas_hpc.evolution.mating import breed
from emtnas_hpc.evolution.population import divide, random_population
from emtnas_hpc.evolution.selection import select
from emtnas_hpc.settings.experiment import SearchSettings


def measure(settings: Settings) -> list[Row]:
    """Times a generation of 20 individuals in two tasks."""
    rng = np.random.default_rng(0)
    shares = divide(20, 2)
    parents = tuple(
        replace(individual, fitness=float(rng.random()))
        for individual in random_population(shares, rng)
    )

    def generation() -> None:
        brood = breed(parents, shares, SearchSettings(), rng, generation=2, first_id=20)
        measured = [replace(child, fitness=float(rng.random())) for child in brood.offspring]
        select(parents, measured, shares)

    times = [timed(generation) for _repetition in range(50 if settings.quick else 500)]
    wall, cpu = median(times)
    return [Row("breeding and selection, 20 individuals, 2 tasks", "ms", 1e3 * wall, 1e3 * cpu)]
