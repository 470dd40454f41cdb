"""Training, validation and test sets for a source that does not bring all three."""

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.raw import RawData
from emtnas_hpc.errors import DataError

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
