"""The frame that an architecture without weights is put into."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import get_args

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import RetrainingSettings
from emtnas_hpc.space.shape import MIN_IMAGE_SIZE, NetworkShape, StemKind, size_behind_stem

_MOST = 1_000_000


def retraining_shape(shape: NetworkShape, settings: RetrainingSettings) -> NetworkShape:
    """A search's frame, but as wide and as deep as its experiment retrains at most.

    Args:
        shape: of the task's supernet.
        settings: of the experiment.
    """
    n_normal = max(settings.normal_cells, default=shape.n_normal)
    return replace(shape, channels=settings.channels, n_normal=n_normal)


def check_shape(shape: NetworkShape, write: Callable[[str], str] = str) -> NetworkShape:
    """Returns a frame that a network can have.

    Args:
        shape: the frame.
        write: how what is wrong is called where it comes from, such as `as_option`.

    Raises:
        InputError: naming what was found and what is expected.
    """
    for name, value in (
        ("channels", shape.channels),
        ("normal_cells", shape.n_normal),
        ("classes", shape.n_classes),
    ):
        if not 1 <= value <= _MOST:
            raise InputError(f"{write(name)} is {value}, expected 1 to {_MOST:,}")
    if shape.image_channels not in (1, 3):
        raise InputError(f"{write('image_channels')} is {shape.image_channels}, expected 1 or 3")
    if shape.stem not in get_args(StemKind):
        known = " or ".join(map(repr, get_args(StemKind)))
        raise InputError(f"{write('stem')} is {shape.stem!r}, expected {known}")
    smallest = next(n for n in count(1) if size_behind_stem(n, shape.stem) >= MIN_IMAGE_SIZE)
    if shape.image_size < smallest:
        raise InputError(
            f"{write('image_size')} is {shape.image_size}, expected at least {smallest} pixels: a "
            "network halves them twice"
        )
    return shape


def as_option(name: str) -> str:
    """How the command line calls it."""
    return f"--{name.replace('_', '-')}"
