"""Images as arrays, pictures as files, and the random draws for both."""

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
    """One set of labelled images."""

    #: (n, h, w, c) with h == w and c either 1 or 3.
    images: NDArray[np.uint8]
    #: int64 (n,) of class numbers, or float32 (n, n_classes) of zeros and ones.
    labels: NDArray[Any]
    #: Within the source, such as "train/cat/000.png"; empty where they have none.
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

    Means are rounded to the nearest integer, halves to the even one. If the factor does not divide
    the size, the last rows and columns are left out: (n, h, w, c) become (n, h // factor,
    w // factor, c).
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
    """What happens to each image of a mini-batch."""

    #: (n, 2), first row and column of the crop in the padded image.
    crops: NDArray[np.int64]
    #: (n,), whether the crop is mirrored left to right.
    flips: NDArray[np.bool_]
    #: (n, 2), row and column of the middle of the square that is blanked after crop and flip.
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

#: The least and the largest width by height of a crop.
ASPECTS = (3 / 4, 4 / 3)

#: A test picture's shorter edge against the square that is cut out of its middle.
_AROUND_MIDDLE = 256 / 224


@dataclass(frozen=True)
class Crop:
    """What was drawn for one picture, before its size is known."""

    # The order of the fields is that in a request to the processes that read pictures.
    #: Shares of the picture's area, one for each try.
    areas: tuple[float, ...]
    #: Width by height of the same tries.
    aspects: tuple[float, ...]
    #: From left to right and from top to bottom, in [0, 1).
    place: tuple[float, float]
    #: Whether what was cut out is mirrored left to right.
    flip: bool

    def box(self, width: int, height: int) -> Box:
        """The first try that fits into a picture of this size; if none does, its middle."""
        for area, aspect in zip(self.areas, self.aspects, strict=True):
            pixels = area * width * height
            w, h = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
            if 0 < w <= width and 0 < h <= height:
                left = int(self.place[0] * (width - w + 1))
                upper = int(self.place[1] * (height - h + 1))
                return left, upper, left + w, upper + h
        least, most = ASPECTS
        w = min(width, max(1, round(height * most)))
        h = min(height, max(1, round(width / least)))
        left, upper = (width - w) // 2, (height - h) // 2
        return left, upper, left + w, upper + h


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


@dataclass(frozen=True)
class PictureFile:
    """A file, its length when it was listed, and the part to read; None reads the middle."""

    path: str
    n_bytes: int
    crop: Crop | None


#: Shares of a picture's area that a crop has.
_AREAS = (0.08, 1.0)
#: Not every draw fits into every picture.
_N_TRIES = 10


def draw_crops(rng: np.random.Generator, n: int, flip: bool) -> list[Crop]:
    """Draws crops as is usual for ImageNet: 8 to 100 % of the area, 3:4 to 4:3, anywhere."""
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
