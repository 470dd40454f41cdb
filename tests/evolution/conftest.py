import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emtnas_hpc.evolution.population import Individual, Operator
from emtnas_hpc.space.architecture import GENE_RANGES, N_GENES, Chromosome

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))


@dataclass(frozen=True)
class Mating:
    rmp: float = 0.3
    crossover_probability: float = 1.0
    mutation_probability: float = 0.02
    mutation: Any = "redraw"
    mutation_only_child: Any = "parent"
    wheel: Any = "equal_tasks"


@pytest.fixture(scope="session")
def mating() -> type[Mating]:
    return Mating


@pytest.fixture(scope="session")
def individual() -> Callable[..., Individual]:
    """An individual of which only what a test talks about needs saying; `genes` fills all 40."""

    def make(
        id: int,
        fitness: float = 0.5,
        task: int = 0,
        genes: int | None = None,
        chromosome: Chromosome | None = None,
    ) -> Individual:
        own = tuple(id % n for n in GENE_RANGES) if genes is None else (genes,) * N_GENES
        return Individual(
            id=id,
            generation=1,
            skill_factor=task,
            chromosome=chromosome or own,
            operator=Operator.INITIAL,
            fitness=fitness,
        )

    return make
