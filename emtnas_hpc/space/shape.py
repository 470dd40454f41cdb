"""The frame that an architecture is put into: everything of a network that is not searched."""

from dataclasses import dataclass
from typing import Literal

CellKind = Literal["normal", "reduction"]

#: Every network halves its resolution and doubles its channels twice.
N_REDUCTIONS = 2

#: Edge in pixels: 2x2 are left after two halvings, so that a mini-batch of a single image still has
#: statistics for batch norm.
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
    """

    channels: int
    n_normal: int
    image_channels: int
    image_size: int
    n_classes: int

    @property
    def cells(self) -> tuple[CellKind, ...]:
        """The kinds of the cells, from the stem to the classifier."""
        normal: CellKind = "normal"
        stage = (normal,) * self.n_normal
        return (*stage, "reduction") * N_REDUCTIONS + stage
