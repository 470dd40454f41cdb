"""Random resized crops, drawn by numpy on the host: whoever reads a picture draws nothing."""

import numpy as np

from emtnas_hpc.pictures.crop import ASPECTS, Crop

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
