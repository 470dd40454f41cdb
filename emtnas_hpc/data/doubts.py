"""What is wrong with finished images although every file could be read: there is nothing to see."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images, Split

#: Neighbouring levels of 256 that no class should huddle in, and the share of pixels that does.
#: Digits are black in 80 % of their pixels and thin drawings white in 95 %; what a wrong range, a
#: mask of 0 and 1, or lost transparency leaves lies beyond.
_FEW_LEVELS = 16
_NEARLY_ALL = 0.99
_N_SHOWN = 3


def doubts(splits: Mapping[Split, Images], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Lines that warn of splits and classes in which nothing, or no difference, is to be seen."""
    return tuple(
        line for split, images in splits.items() for line in _of_split(split, images, classes)
    )


def _of_split(split: Split, images: Images, classes: tuple[str, ...]) -> Iterator[str]:
    members = {name: _of_class(images, label) for label, name in enumerate(classes)}
    found = {name: text for name, some in members.items() if len(some) and (text := _dull(some))}
    if found:
        shown = ", ".join(f"{name!r} ({text})" for name, text in list(found.items())[:_N_SHOWN])
        dots = ", ..." if len(found) > _N_SHOWN else ""
        yield (
            f"WARNING: in {split} hardly anything is to be seen of {len(found)} of {len(classes)} "
            f"classes: {shown}{dots}; look at the pictures and at their range"
        )
    if images.multi_label:
        return
    # Equal images of one class are nothing odd, the same images in two classes are.
    contents = {name: frozenset(map(_digest, some)) for name, some in members.items() if len(some)}
    first: dict[frozenset[int], str] = {}
    twins = [
        (first[content], name)
        for name, content in contents.items()
        if first.setdefault(content, name) != name
    ]
    if twins:
        one, other = twins[0]
        yield (
            f"WARNING: in {split} {len(twins)} of {len(classes)} classes have the same images as "
            f"another, first {other!r} those of {one!r}"
        )


def _of_class(images: Images, label: int) -> NDArray[np.uint8]:
    chosen = images.labels[:, label] == 1 if images.multi_label else images.labels == label
    return images.take(chosen).images


def _digest(image: NDArray[np.uint8]) -> int:
    return hash(image.tobytes())


def _dull(images: NDArray[np.uint8]) -> str:
    """Why the images of a class show nothing, or nothing in words."""
    counts = np.bincount(images.reshape(-1), minlength=256)
    levels = np.flatnonzero(counts)
    if len(levels) == 1:
        return f"all pixels are {levels[0]}"
    within = np.convolve(counts, np.ones(_FEW_LEVELS, np.int64), "valid") / images.size
    lowest = int(within.argmax())
    if within[lowest] >= _NEARLY_ALL:
        some = levels[(levels >= lowest) & (levels < lowest + _FEW_LEVELS)]
        between = f"are {some[0]}" if len(some) == 1 else f"lie from {some[0]} to {some[-1]}"
        return f"{np.floor(1000 * within[lowest]) / 10:g} % of all pixels {between} of 255"
    flat = images.reshape(len(images), -1)
    if (flat.min(axis=1) == flat.max(axis=1)).all():
        return "each image is of one value"
    return ""
