"""Images with their labels as arrays, and pooling to a smaller size."""

from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

#: Images that are pooled at once; bounds the intermediate sums to some tens of megabytes.
_POOLED_AT_ONCE = 4096


@dataclass(frozen=True)
class Images:
    """One set of labelled images.

    Attributes:
        images: uint8, (n, h, w, c) with h == w and c either 1 or 3.
        labels: int64 (n,) of class numbers, or float32 (n, n_classes) of zeros and ones.
        names: of the images within their source, (n,); empty where nobody changes them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def multi_label(self) -> bool:
        """Whether an image may belong to several classes at once."""
        return self.labels.ndim == 2

    def take(self, chosen: NDArray[np.bool_]) -> "Images":
        """The images where `chosen`, (n,), is true, in their order."""
        names = tuple(compress(self.names, chosen))
        return Images(self.images[chosen], self.labels[chosen], names)


def pool_images(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average-pools by an integer factor.

    Means are rounded to the nearest integer, halves to the even one. Of a size that the factor does
    not divide, the last rows and columns are left out.

    Args:
        images: (n, h, w, c).
        factor: edge of the square that becomes one pixel; 1 returns the images unchanged.

    Returns:
        (n, h // factor, w // factor, c).
    """
    if factor == 1:
        return images
    n, height, width, channels = images.shape
    rows, columns = height // factor, width // factor
    pooled = np.empty((n, rows, columns, channels), np.uint8)
    for start in range(0, n, _POOLED_AT_ONCE):
        some = images[start : start + _POOLED_AT_ONCE, : rows * factor, : columns * factor]
        squares = some.reshape(-1, rows, factor, columns, factor, channels)
        sums = squares.sum(axis=(2, 4), dtype=np.uint32)
        pooled[start : start + _POOLED_AT_ONCE] = np.rint(sums / factor**2)
    return pooled
