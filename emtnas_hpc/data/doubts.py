"""What is wrong with finished images although every file could be read: there is nothing to see."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images, Split

#: Neighbouring levels of 256 that no class should huddle in, and the share of pixels that does.
#: Digits are black in 80 % of their pixels and thin drawings white in 95 %; what a wrong range, a
#: mask of 0 and 1, or lost transparency leaves lies beyond.
_FEW_LEVELS = 16
_NEARLY_ALL = 0.99
_N_SHOWN = 3

#: Pixels that are looked at together; counting them takes eight bytes each.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class _Facts:
    """Of the images of a class.

    Attributes:
        counts: of pixels of each level, (256,).
        each_is_flat: whether every image has a single value.
        contents: a digest of each image.
    """

    counts: NDArray[np.int64]
    each_is_flat: bool
    contents: frozenset[int]


def doubts(splits: Mapping[Split, Images], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Lines that warn of splits and classes in which nothing, or no difference, is to be seen."""
    return tuple(
        line for split, images in splits.items() for line in _of_split(split, images, classes)
    )


def _of_split(split: Split, images: Images, classes: tuple[str, ...]) -> Iterator[str]:
    seen = {name: facts for label, name in enumerate(classes) if (facts := _look(images, label))}
    dull = {name: text for name, facts in seen.items() if (text := _dull(facts))}
    if dull:
        shown = ", ".join(f"{name!r} ({text})" for name, text in list(dull.items())[:_N_SHOWN])
        dots = ", ..." if len(dull) > _N_SHOWN else ""
        yield (
            f"WARNING: in {split} hardly anything is to be seen of {len(dull)} of {len(classes)} "
            f"classes: {shown}{dots}; look at the pictures and at their range"
        )
    if images.multi_label:
        return
    # Equal images of one class are nothing odd, the same images in two classes are.
    first: dict[frozenset[int], str] = {}
    twins = [
        (first[facts.contents], name)
        for name, facts in seen.items()
        if first.setdefault(facts.contents, name) != name
    ]
    if twins:
        one, other = twins[0]
        yield (
            f"WARNING: in {split} {len(twins)} of {len(classes)} classes have the same images as "
            f"another, first {other!r} those of {one!r}"
        )


def _look(images: Images, label: int) -> _Facts | None:
    """What the images of a class are, looked at some at a time; None without any."""
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
    return _Facts(counts, each_is_flat, frozenset(contents)) if len(members) else None


def _dull(facts: _Facts) -> str:
    """Why the images of a class show nothing, or nothing in words."""
    levels = np.flatnonzero(facts.counts)
    if len(levels) == 1:
        return f"all pixels are {levels[0]}"
    within = np.convolve(facts.counts, np.ones(_FEW_LEVELS, np.int64), "valid")
    within = within / facts.counts.sum()
    lowest = int(within.argmax())
    if within[lowest] >= _NEARLY_ALL:
        some = levels[(levels >= lowest) & (levels < lowest + _FEW_LEVELS)]
        between = f"are {some[0]}" if len(some) == 1 else f"lie from {some[0]} to {some[-1]}"
        return f"{np.floor(1000 * within[lowest]) / 10:g} % of all pixels {between} of 255"
    return "each image is of one value" if facts.each_is_flat else ""
