"""The arrays of a source, the splits that it lacks, and warnings of images that look wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.errors import DataError, first_few


@dataclass(frozen=True)
class RawData:
    """The arrays of a source; `val` and `test` are None where it brings none."""

    train: Images
    val: Images | None
    test: Images | None
    #: Names, in the order of the class numbers.
    classes: tuple[str, ...]
    #: How pixel values were brought to 0..255, in words; empty where they are as in the source.
    conversion: str = field(default="", kw_only=True)
    #: Lines for the user on what was left out or read under another name.
    notes: tuple[str, ...] = field(default=(), kw_only=True)


#: One image of so many is held out: CIFAR's 50,000 become 40,000 + 10,000, as in the authors' code.
HELD_OUT_EVERY = 5


def complete_splits(
    raw: RawData, origin: str, validation: Literal["last", "first"] = "last"
) -> dict[Split, Images]:
    """Holds out what a source lacks: first the test set, then of what is left the validation set.

    Held out are the images at the positions 4, 9, 14, ... within each class, so the split is
    stratified and depends on nothing but the order of the images, which all three sets keep. For
    validation it may be the first of five instead: 0, 5, 10, ...

    Raises:
        DataError: a class is too small to give any; the message begins with `origin`.
    """
    train, val, test = raw.train, raw.val, raw.test
    if test is None:
        train, test = _hold_out(train, raw.classes, "test", origin)
    if val is None:
        first = 0 if validation == "first" else HELD_OUT_EVERY - 1
        train, val = _hold_out(train, raw.classes, "validation", origin, first=first)
    return {"train": train, "val": val, "test": test}


def _hold_out(
    images: Images,
    classes: tuple[str, ...],
    held_as: str,
    origin: str,
    *,
    first: int = HELD_OUT_EVERY - 1,
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
        chosen[members[first::HELD_OUT_EVERY]] = True
    return images.take(~chosen), images.take(chosen)


#: A class is doubted if this share of its pixels lies within so many neighbouring levels of 256.
#: Digits are black in 80 % of their pixels and thin drawings white in 95 %; a wrong range, a mask
#: of 0 and 1, or lost transparency leave more.
_FEW_LEVELS = 16
_NEARLY_ALL = 0.99

#: Pixels that are counted together, which takes eight bytes each.
_AT_ONCE = 2**22


def doubts(splits: Mapping[Split, Images], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Warnings of classes whose images show nothing, or are the same as those of another."""
    lines = []
    for split, images in splits.items():
        dull: dict[str, str] = {}
        # Equal images within a class are usual; two classes of the same images are a mistake.
        first: dict[frozenset[int], str] = {}
        twins: list[tuple[str, str]] = []
        for label, name in enumerate(classes):
            contents, why = _look_at_class(images, label)
            if not contents:
                continue
            if why:
                dull[name] = why
            if (twin := first.setdefault(contents, name)) != name:
                twins.append((twin, name))
        if dull:
            shown = first_few([f"{name!r} ({text})" for name, text in dull.items()])
            lines.append(
                f"WARNING: in {split} hardly anything is to be seen of {len(dull)} of "
                f"{len(classes)} classes: {shown}; look at the pictures and at their range"
            )
        if twins and not images.multi_label:
            one, other = twins[0]
            lines.append(
                f"WARNING: in {split} {len(twins)} of {len(classes)} classes have the same images "
                f"as another, first {other!r} those of {one!r}"
            )
    return tuple(lines)


def _look_at_class(images: Images, label: int) -> tuple[frozenset[int], str]:
    """Hashes of the images of a class, if it has any, and why they show nothing."""
    chosen = images.labels[:, label] == 1 if images.multi_label else images.labels == label
    members = np.flatnonzero(chosen)
    counts, each_is_flat = np.zeros(256, np.int64), True
    contents: set[int] = set()
    at_once = max(1, _AT_ONCE // max(1, images.images[:1].size))
    for start in range(0, len(members), at_once):
        flat = images.images[members[start : start + at_once]]
        flat = flat.reshape(len(flat), -1)
        counts += np.bincount(flat.reshape(-1), minlength=256)
        each_is_flat = each_is_flat and bool((flat.min(axis=1) == flat.max(axis=1)).all())
        contents.update(hash(image.tobytes()) for image in flat)
    return frozenset(contents), _why_dull(counts, each_is_flat) if contents else ""


def _why_dull(counts: NDArray[np.int64], each_is_flat: bool) -> str:
    """Why images with these numbers of pixels of each level show nothing; empty if they do."""
    levels = np.flatnonzero(counts)
    if len(levels) == 1:
        return f"all pixels are {levels[0]}"
    within = np.convolve(counts, np.ones(_FEW_LEVELS, np.int64), "valid")
    within = within / counts.sum()
    lowest = int(within.argmax())
    if within[lowest] >= _NEARLY_ALL:
        some = levels[(levels >= lowest) & (levels < lowest + _FEW_LEVELS)]
        between = f"are {some[0]}" if len(some) == 1 else f"lie from {some[0]} to {some[-1]}"
        return f"{np.floor(1000 * within[lowest]) / 10:g} % of all pixels {between} of 255"
    return "each image is of one value" if each_is_flat else ""
