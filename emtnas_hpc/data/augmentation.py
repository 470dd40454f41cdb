"""The random part of augmentation, drawn by numpy on the host: the same on every device."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AugmentationDraw:
    """What happens to each image of a mini-batch.

    Attributes:
        crops: int64, (n, 2), first row and column of the crop in the padded image.
        flips: bool, (n,), whether the crop is mirrored left to right.
    """

    crops: NDArray[np.int64]
    flips: NDArray[np.bool_]


def draw_augmentation(
    rng: np.random.Generator, n: int, padding: int, flip: bool
) -> AugmentationDraw:
    """Draws uniform crops of the padded image, and flips with probability 1/2 if `flip`."""
    crops = rng.integers(0, 2 * padding + 1, (n, 2))
    flips = rng.random(n) < 0.5 if flip else np.zeros(n, np.bool_)
    return AugmentationDraw(crops, flips)
