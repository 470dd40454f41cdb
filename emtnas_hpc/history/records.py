"""What a search remembers: every individual, and what was measured in every generation."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from emtnas_hpc.evolution.individual import NOBODY, Individual
from emtnas_hpc.space.shape import NetworkShape


@dataclass(frozen=True)
class TaskHeader:
    """A task as a reader needs it who has neither the data nor torch.

    Attributes:
        name: of the data set.
        shape: of the task's supernet.
        n_training: training images.
        n_validation: validation images; the unit in which true fitness is quantised.
    """

    name: str
    shape: NetworkShape
    n_training: int
    n_validation: int


@dataclass(frozen=True)
class Header:
    """What holds for the whole search.

    Attributes:
        name: of the experiment.
        seed: of the search.
        n_generations: T, that it is to reach.
        batch_norm: mode in which every accuracy was measured; numbers of two modes do not compare.
        signature: of the search.
        experiment_signature: the same for all seeds of an experiment, and for no other.
        tasks: in order of skill factor.
    """

    name: str
    seed: int
    n_generations: int
    batch_norm: str
    signature: str
    experiment_signature: str
    tasks: tuple[TaskHeader, ...]


@dataclass(frozen=True)
class TaskGeneration:
    """One generation of one task.

    Attributes:
        fittest: id of the individual with the highest fitness after selection.
        true_fitness: its accuracy on the whole validation set; nan where it was not measured.
        incumbent: id of the individual with the best true fitness so far.
        train_loss: mean over the images trained on.
        train_accuracy: likewise, in [0, 1].
        learning_rate: of the generation.
        n_steps: mini-batches trained on.
        mean_parameters: of the sampled architectures, over the steps, output slices in use.
        mean_macs: likewise, multiply-adds of convolutions and the classifier for one image.
        seconds_training: wall clock of sampled training.
        seconds_evaluation: wall clock of sampled evaluation.
        seconds_search: this task's even part of breeding, re-evaluation and selection.
        seconds_true_fitness: wall clock of the true fitness; part of none of the three.
    """

    fittest: int
    true_fitness: float
    incumbent: int
    train_loss: float
    train_accuracy: float
    learning_rate: float
    n_steps: int
    mean_parameters: float
    mean_macs: float
    seconds_training: float
    seconds_evaluation: float
    seconds_search: float
    seconds_true_fitness: float


@dataclass(frozen=True)
class Generation:
    """One generation of the whole population.

    Attributes:
        generation: its number, from 1.
        population: ids of the survivors.
        fitness: theirs, in the same order.
        n_pairs: pairs of parents drawn.
        n_transfers: those that were crossed although their tasks differ.
        tasks: by skill factor.
    """

    generation: int
    population: tuple[int, ...]
    fitness: tuple[float, ...]
    n_pairs: int
    n_transfers: int
    tasks: tuple[TaskGeneration, ...]


@dataclass
class History:
    """The whole history of a search up to its newest generation; it only ever grows.

    Attributes:
        header: what holds for the whole search.
        individuals: all ever created; an individual's id is its index.
        n_steps: mini-batches trained on by each of them; equal chromosomes count for the eldest.
        generations: all so far.
    """

    header: Header
    individuals: list[Individual] = field(default_factory=list)
    n_steps: list[int] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)

    @property
    def generation(self) -> int:
        """The newest generation, 0 before the first."""
        return len(self.generations)

    @property
    def population(self) -> tuple[Individual, ...]:
        """The survivors of the newest generation."""
        ids = self.generations[-1].population if self.generations else ()
        return tuple(self.individuals[i] for i in ids)

    def add(self, born: Sequence[Individual], generation: Generation) -> None:
        """Appends a generation and the individuals that were created in it."""
        self.individuals.extend(born)
        self.n_steps.extend([0] * len(born))
        self.generations.append(generation)

    def incumbent(self, task: int) -> Individual:
        """A task's incumbent; before its first true fitness, the fittest of now."""
        newest = self.generations[-1].tasks[task]
        return self.individuals[newest.fittest if newest.incumbent == NOBODY else newest.incumbent]

    def diverged_in(self, task: int) -> int | None:
        """The first generation in which a task's training loss is no finite number, if any.

        From then on the weights of its supernet are none either: what was found before may be
        good, what follows is noise.
        """
        return first_diverged(generation.tasks[task].train_loss for generation in self.generations)

    def best_true_fitness(self, task: int) -> float:
        """The true fitness of a task's incumbent; nan before the first measurement."""
        measured = [generation.tasks[task].true_fitness for generation in self.generations]
        return max((value for value in measured if not math.isnan(value)), default=math.nan)


def first_diverged(losses: Iterable[float]) -> int | None:
    """The generation, from 1, of the first loss that is no finite number; None if all are."""
    return next((n for n, loss in enumerate(losses, start=1) if not math.isfinite(loss)), None)
