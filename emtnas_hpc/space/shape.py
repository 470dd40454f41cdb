"""The frame that an architecture is put into: everything of a network that is not searched."""

from dataclasses import dataclass
from typing import Literal

CellKind = Literal["normal", "reduction"]

#: What leads from the images to C channels: one convolution, or three that halve the resolution
#: each, for images of 224x224.
StemKind = Literal["plain", "strided"]
N_STRIDED = 3
_STRIDED_FACTOR = 8

#: Every network halves its resolution and doubles its channels twice.
N_REDUCTIONS = 2

#: Edge in pixels behind the stem: 2x2 are left after two halvings, so that a mini-batch of a single
#: image still has statistics for batch norm.
MIN_IMAGE_SIZE = 8


@dataclass(frozen=True)
class NetworkShape:
    """Width, depth and interface of a network.

    Attributes:
        channels: C, the width after the stem; 2C and 4C after the reductions.
        n_normal: N, normal cells between the reductions (1 in the search).
        image_channels: 1 or 3.
        image_size: edge of the square images in pixels.
        n_classes: outputs of the classifier.
        stem: that begins it.
    """

    channels: int
    n_normal: int
    image_channels: int
    image_size: int
    n_classes: int
    stem: StemKind = "plain"

    @property
    def first_size(self) -> int:
        """Edge of the feature maps that the first cell gets."""
        return size_behind_stem(self.image_size, self.stem)

    @property
    def cells(self) -> tuple[CellKind, ...]:
        """The kinds of the cells, from the stem to the classifier."""
        normal: CellKind = "normal"
        stage = (normal,) * self.n_normal
        return (*stage, "reduction") * N_REDUCTIONS + stage


def size_behind_stem(image_size: int, stem: StemKind) -> int:
    """Edge of the feature maps that a stem makes of images: 224 pixels become 28 if strided."""
    if stem == "plain":
        return image_size
    # Halved three times, rounded up each time.
    return -(-image_size // _STRIDED_FACTOR)


def stem_widths(channels: int, stem: StemKind) -> tuple[int, ...]:
    """Output channels of each convolution of a stem: C, or C/2, C, C if strided."""
    if stem == "plain":
        return (channels,)
    return (max(1, channels // 2), *(channels,) * (N_STRIDED - 1))
