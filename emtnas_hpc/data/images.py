"""Images as arrays, pictures as files, and what is drawn at random of either."""

import math
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
        names: of the n images in their source, such as "train/cat/000.png"; empty where they have
            none.
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
    rng: np.random.Generator, n: int, padding: int, flip: bool, *, hole_range: int = 0
) -> AugmentationDraw:
    """Draws uniform crops of the padded image, and flips with probability 1/2 if `flip`.

    `hole_range` is the edge of images in which cutouts may lie anywhere; 0 draws none.
    """
    crops = rng.integers(0, 2 * padding + 1, (n, 2))
    flips = rng.random(n) < 0.5 if flip else np.zeros(n, np.bool_)
    holes = rng.integers(0, hole_range, (n, 2)) if hole_range else None
    return AugmentationDraw(crops, flips, holes)


#: Left, upper, right and lower edge in pixels.
Box = tuple[int, int, int, int]

#: Width by height that a crop has at the extremes where no draw fits into a picture.
ASPECTS = (3 / 4, 4 / 3)

#: A test picture's shorter edge against the square that is cut out of its middle.
_AROUND_MIDDLE = 256 / 224


@dataclass(frozen=True)
class Crop:
    """What was drawn for one picture, before anybody knew its size.

    Attributes:
        areas: of several tries, shares of the picture's area.
        aspects: of the same tries, width by height.
        place: from left to right and from top to bottom, in [0, 1).
        flip: whether what was cut out is mirrored left to right.
    """

    areas: tuple[float, ...]
    aspects: tuple[float, ...]
    place: tuple[float, float]
    flip: bool

    def box(self, width: int, height: int) -> Box:
        """The first try that fits into a picture of this size; of none, the middle."""
        for area, aspect in zip(self.areas, self.aspects, strict=True):
            pixels = area * width * height
            w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
            if 0 < w <= width and 0 < h <= height:
                left = int(self.place[0] * (width - w + 1))
                upper = int(self.place[1] * (height - h + 1))
                return left, upper, left + w, upper + h
        return _largest_in_the_middle(width, height)


def scaled_around_middle(width: int, height: int, size: int) -> tuple[int, int]:
    """The width and height that a test picture is scaled to before its middle is cut out."""
    shorter = round(size * _AROUND_MIDDLE)
    if width <= height:
        return shorter, shorter * height // width
    return shorter * width // height, shorter


def middle(width: int, height: int, w: int, h: int) -> Box:
    """A box of w x h in the middle of a picture."""
    left, upper = round((width - w) / 2), round((height - h) / 2)
    return left, upper, left + w, upper + h


def _largest_in_the_middle(width: int, height: int) -> Box:
    least, most = ASPECTS
    w = min(width, max(1, round(height * most)))
    h = min(height, max(1, round(width / least)))
    left, upper = (width - w) // 2, (height - h) // 2
    return left, upper, left + w, upper + h


@dataclass(frozen=True)
class PictureFile:
    """A file, and what is to be seen of it.

    Attributes:
        path: of the file.
        n_bytes: that it had when it was listed.
        crop: drawn for training; None shows the middle, for a test.
    """

    path: str
    n_bytes: int
    crop: Crop | None


#: Shares of a picture's area that a crop has.
_AREAS = (0.08, 1.0)
#: Not every draw fits into every picture.
_N_TRIES = 10


def draw_crops(rng: np.random.Generator, n: int, flip: bool) -> list[Crop]:
    """Draws as is usual for ImageNet: 8 to 100 % of the area, 3:4 to 4:3, anywhere."""
    areas = rng.uniform(*_AREAS, (n, _N_TRIES))
    least, most = np.log(ASPECTS).tolist()
    aspects = np.exp(rng.uniform(least, most, (n, _N_TRIES)))
    places = rng.random((n, 2))
    flips = rng.random(n) < 0.5 if flip else np.zeros(n, np.bool_)
    drawn = zip(*(array.tolist() for array in (areas, aspects, places, flips)), strict=True)
    return [
        Crop(tuple(area), tuple(aspect), (place[0], place[1]), flipped)
        for area, aspect, place, flipped in drawn
    ]
