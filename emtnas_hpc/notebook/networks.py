"""An architecture as a plain torch module, with fresh weights."""

from typing import TYPE_CHECKING

from emtnas_hpc.export.frame import check_shape
from emtnas_hpc.export.subject import Subject
from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.genotype import parse_genotype
from emtnas_hpc.space.shape import NetworkShape, StemKind

if TYPE_CHECKING:
    from torch import nn  # noqa: TID251 - whatever can be refused is refused without it


def build_network(
    architecture: Architecture | str,
    *,
    classes: int,
    channels: int = 48,
    normal_cells: int = 2,
    image_channels: int = 3,
    image_size: int = 32,
    stem: StemKind = "plain",
    seed: int = 0,
) -> "nn.Module":
    """Makes a network that maps `(n, image_channels, image_size, image_size)` to logits.

    It is plain torch, in training mode, on the CPU: what `export` writes.

    Args:
        architecture: an architecture, or a genotype as text.
        classes: outputs of the classifier.
        channels: C, the width after the stem.
        normal_cells: N, normal cells between two reductions.
        image_channels: 1 or 3.
        image_size: edge of the square images in pixels.
        stem: "plain", or "strided" for large images.
        seed: of the weights; torch's own generator is not touched.

    Raises:
        InputError: no network can be like that, or the text is no genotype.
    """
    if isinstance(architecture, str):
        architecture = parse_genotype(architecture)
    shape = check_shape(
        NetworkShape(channels, normal_cells, image_channels, image_size, classes, stem)
    )
    from emtnas_hpc.export.plain.network import fresh_network

    return fresh_network(Subject("network", architecture, shape), seed)
