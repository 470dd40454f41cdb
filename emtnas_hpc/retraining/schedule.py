"""Which step of a retraining trains which mini-batches, and how hard."""

import math
from dataclasses import dataclass

from emtnas_hpc.experiment import RetrainingSettings


@dataclass(frozen=True)
class Step:
    """An epoch, or a part of one.

    Attributes:
        number: of the step, from 1.
        epoch: that it belongs to, from 1.
        first: position of its first image in the order of the epoch.
        last: position behind its last one.
        ends_epoch: whether nothing of the epoch is left after it.
    """

    number: int
    epoch: int
    first: int
    last: int
    ends_epoch: bool


@dataclass(frozen=True)
class Schedule:
    """The steps of a retraining.

    Attributes:
        n_images: that an epoch trains on.
        settings: of the retraining.
    """

    n_images: int
    settings: RetrainingSettings

    @property
    def part_images(self) -> int:
        """Images of a step; the last one of an epoch may have fewer."""
        return self.settings.part_batches * self.settings.batch_size

    @property
    def n_parts(self) -> int:
        """Steps of an epoch."""
        return -(-self.n_images // self.part_images)

    @property
    def n_steps(self) -> int:
        """Steps of all epochs."""
        return self.n_parts * self.settings.epochs

    def step(self, number: int) -> Step:
        """The step of a number, 1 to `n_steps`."""
        epoch, part = divmod(number - 1, self.n_parts)
        first = part * self.part_images
        last = min(first + self.part_images, self.n_images)
        return Step(number, epoch + 1, first, last, ends_epoch=last == self.n_images)

    def learning_rate(self, epoch: int) -> float:
        """A cosine from the first epoch's toward 0 behind the last one."""
        turn = math.cos(math.pi * (epoch - 1) / self.settings.epochs)
        return self.settings.learning_rate / 2 * (1 + turn)

    def drop_path(self, epoch: int) -> float:
        """The probability that a branch is dropped: 0 in the first epoch, rising linearly."""
        return self.settings.drop_path * (epoch - 1) / max(1, self.settings.epochs - 1)
