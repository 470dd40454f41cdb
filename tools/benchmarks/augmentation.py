"""Mini-batches from a data set that lives on the device."""

import numpy as np
import torch

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import median, timed
from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.images import Images


def measure(settings: Settings) -> list[Row]:
    """Times augmentation as CIFAR has it: padding 4, crop, flip, normalisation."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10_000, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, 10_000)
    device = torch.device("cpu")
    resident = DeviceImages(
        Images(images, labels), (0.5,) * 3, (0.25,) * 3, device, padding=4, flip=True
    )
    rows = []
    for size in (128, 1000):

        def batch(size: int = size) -> None:
            chosen = rng.integers(0, len(images), size)
            resident.augmented(chosen, resident.draw(rng, size))

        batch()
        wall, cpu = median([timed(batch) for _repetition in range(5 if settings.quick else 50)])
        rows.append(Row(f"augmentation of {size} images", "ms", 1e3 * wall, 1e3 * cpu, threads=1))
    return rows
