"""What a search needs of one task; tasks share nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emtnas_hpc.runner.stage import Interrupted
from emtnas_hpc.space.chromosome import Chromosome


@dataclass(frozen=True)
class TrainingRecord:
    """One epoch of sampled training.

    Attributes:
        loss: mean over the images.
        accuracy: likewise, in [0, 1].
        learning_rate: that it was made with.
        n_steps: for every chromosome given, the mini-batches that it was drawn for.
    """

    loss: float
    accuracy: float
    learning_rate: float
    n_steps: tuple[int, ...]


class TaskTrainer(Protocol):
    """The supernet of one task with its data. All that it draws depends on the generation alone.

    Each method raises `Abandoned` as soon as `interrupted()` says so; the trainer must be loaded
    anew after that.
    """

    def train(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> TrainingRecord:
        """One epoch; every mini-batch trains one chromosome, drawn uniformly."""

    def evaluate(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> tuple[float, ...]:
        """Sampled accuracy of each, on one random validation mini-batch, in [0, 1]."""

    def true_fitness(
        self, chromosome: Chromosome, generation: int, interrupted: Interrupted
    ) -> float:
        """Accuracy on the whole validation set, in [0, 1]."""

    def save(self, file: Path) -> None:
        """Writes everything that the next generation depends on."""

    def load(self, file: Path) -> None:
        """Reads it back, bit for bit."""
