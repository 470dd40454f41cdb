"""Which training images a generation sees, in which mini-batches."""

import numpy as np
import numpy.typing as npt

from emtnas_hpc.experiment.settings import TrainingSettings

Indices = npt.NDArray[np.int64]


def training_batches(
    n_images: int, settings: TrainingSettings, rng: np.random.Generator
) -> list[Indices]:
    """The mini-batches of an epoch, or as many as are asked for, epoch after epoch.

    Returns:
        Indices of images, (batch_size,) each; the last batch of an epoch may be smaller.
    """
    size, batches = settings.batch_size, settings.batches
    wanted = n_images if batches == "epoch" else batches * size
    n_epochs = -(-wanted // n_images)
    order = np.concatenate([rng.permutation(n_images) for _epoch in range(n_epochs)])[:wanted]
    return np.split(order, range(size, wanted, size))
