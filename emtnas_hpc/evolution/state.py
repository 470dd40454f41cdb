"""What evolution needs to go on; everything else of a search is history or weights."""

from dataclasses import dataclass

from emtnas_hpc.evolution.population import Population


@dataclass(frozen=True)
class Incumbent:
    """The individual of a task with the best true fitness so far; a search's answer.

    Attributes:
        id: of the individual.
        true_fitness: its accuracy on the whole validation set, in [0, 1].
    """

    id: int
    true_fitness: float


@dataclass(frozen=True)
class SearchState:
    """The state after a generation.

    Attributes:
        generation: t, of the last completed generation.
        population: the survivors, in the order that selection left them in. The order counts:
            the roulette wheel draws by it.
        next_id: that the next child will get.
        incumbents: for every task, None before its first true fitness.
    """

    generation: int
    population: Population
    next_id: int
    incumbents: tuple[Incumbent | None, ...]


def name_incumbent(incumbent: Incumbent | None, challenger: Incumbent) -> Incumbent:
    """The better one; of equals the challenger, whose supernet has trained longer."""
    if incumbent is None or challenger.true_fitness >= incumbent.true_fitness:
        return challenger
    return incumbent
