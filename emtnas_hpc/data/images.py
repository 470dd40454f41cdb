"""Images with their labels as arrays: splits, pooling, random crops and flips."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.picture import ASPECTS, Crop
from emtnas_hpc.errors import DataError

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


#: Shares of a picture's area that a crop has.
_AREAS = (0.08, 1.0)
#: Not every draw fits into every picture.
_N_TRIES = 10


def draw_crops(rng: np.random.Generator, n: int, flip: bool) -> list[Crop]:
    """Draws as is usual for ImageNet: 8 to 100 % of the area, 3:4 to 4:3, anywhere.

    Args:
        rng: where it is drawn from.
        n: number of pictures.
        flip: whether half of them are mirrored.
    """
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


#: Takes one line for the user.
Say = Callable[[str], None]


@dataclass(frozen=True)
class RawData:
    """The arrays of a source; `val` and `test` are None where it brings none.

    Attributes:
        train: the images to train on.
        val: the images to validate on.
        test: the images to test on.
        classes: names of the classes, in the order of their numbers.
        conversion: how pixel values were brought to 0..255, in words; empty where they are as in
            the source.
        notes: lines for the user, of what was left out or taken for something else.
    """

    train: Images
    val: Images | None
    test: Images | None
    classes: tuple[str, ...]
    conversion: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workplace:
    """Where a source finds and leaves files.

    Attributes:
        data_dir: holds downloaded files under their official names.
        scratch: an existing directory that is removed once the source has been read.
        say: told what takes long.
    """

    data_dir: Path
    scratch: Path
    say: Say


#: One image of so many is held out: CIFAR's 50,000 become 40,000 + 10,000, as in the authors' code.
HELD_OUT_EVERY = 5


def complete_splits(raw: RawData, origin: str) -> dict[Split, Images]:
    """Holds out what a source lacks: first the test set, then of what is left the validation set.

    Held out are the images at the positions 4, 9, 14, ... within each class, so the split is
    stratified and depends on nothing but the order of the images, which all three sets keep.

    Args:
        raw: what the source brings.
        origin: the source, for messages.

    Raises:
        DataError: a class is too small to give any.
    """
    train, val, test = raw.train, raw.val, raw.test
    if test is None:
        train, test = _hold_out(train, raw.classes, "test", origin)
    if val is None:
        train, val = _hold_out(train, raw.classes, "validation", origin)
    return {"train": train, "val": val, "test": test}


def _hold_out(
    images: Images, classes: tuple[str, ...], held_as: str, origin: str
) -> tuple[Images, Images]:
    chosen = np.zeros(len(images), np.bool_)
    for label, name in enumerate(classes):
        members: NDArray[np.intp] = np.flatnonzero(images.labels == label)
        if len(members) < HELD_OUT_EVERY:
            raise DataError(
                f"{origin}: training images of class {name!r} are too few to hold out a {held_as} "
                f"set, {len(members)} left of at least {HELD_OUT_EVERY}; add some or bring that "
                "set along"
            )
        chosen[members[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]] = True
    return images.take(~chosen), images.take(chosen)
