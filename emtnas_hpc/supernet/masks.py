"""Dropout and drop path as masks that the caller draws, from a generator that the caller owns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from emtnas_hpc.space.chromosome import N_BLOCKS
from emtnas_hpc.space.shape import N_REDUCTIONS, NetworkShape


@dataclass(frozen=True)
class Masks:
    """What one mini-batch is multiplied by; None multiplies nothing.

    Attributes:
        features: dropout before the classifier, `(batch_size, n_features)`.
        branches: drop path, one number a branch, `(n_cells, n_blocks, 2)`.
    """

    features: Tensor | None = None
    branches: Tensor | None = None


def draw_masks(
    shape: NetworkShape,
    batch_size: int,
    dropout: float,
    drop_path: float,
    generator: torch.Generator,
) -> Masks:
    """Draws the masks of one mini-batch; what is kept is divided by its probability.

    Args:
        shape: of the network that they are for.
        batch_size: images in the mini-batch.
        dropout: probability to drop a feature of an image.
        drop_path: probability to drop a branch, identities included, for the whole mini-batch.
        generator: where the masks are drawn, and from.
    """
    n_features = shape.channels * 2**N_REDUCTIONS
    return Masks(
        features=_keep((batch_size, n_features), 1 - dropout, generator) if dropout else None,
        branches=_keep((len(shape.cells), N_BLOCKS, 2), 1 - drop_path, generator)
        if drop_path
        else None,
    )


def _keep(size: tuple[int, ...], probability: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(size, generator=generator, device=generator.device) < probability
    return kept / probability
