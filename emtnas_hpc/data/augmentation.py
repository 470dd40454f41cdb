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
        holes: int64, (n, 2), row and column of the middle of the square that is blanked in what
            crop and flip gave; None blanks none.
    """

    crops: NDArray[np.int64]
    flips: NDArray[np.bool_]
    holes: NDArray[np.int64] | None = None


def draw_augmentation(
    rng: np.random.Generator, n: int, padding: int, flip: bool, hole_range: int = 0
) -> AugmentationDraw:
    """Draws uniform crops of the padded image, and flips with probability 1/2 if `flip`.

    Args:
        rng: where it is drawn from.
        n: number of images.
        padding: pixels around an image.
        flip: whether images are mirrored.
        hole_range: edge of the images whose cutouts are drawn, anywhere in them; 0 draws none.
    """
    crops = rng.integers(0, 2 * padding + 1, (n, 2))
    flips = rng.random(n) < 0.5 if flip else np.zeros(n, np.bool_)
    holes = rng.integers(0, hole_range, (n, 2)) if hole_range else None
    return AugmentationDraw(crops, flips, holes)
