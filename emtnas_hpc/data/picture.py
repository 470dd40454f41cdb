"""A picture that is to be read, and which part of it is seen."""

import math
from dataclasses import dataclass

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
class Picture:
    """A file, and what is to be seen of it.

    Attributes:
        path: of the file.
        n_bytes: that it had when it was listed.
        crop: drawn for training; None shows the middle, for a test.
    """

    path: str
    n_bytes: int
    crop: Crop | None
