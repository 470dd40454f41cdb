"""Measuring an individual: images in bounded chunks, nothing of the network changed."""

from collections.abc import Iterable

import torch
from torch import Tensor

from emtnas_hpc.supernet import objective
from emtnas_hpc.supernet.batch_norm import BatchNormMode, Normalise, Recalibration
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.path import SampledPath

#: Fewer images give poor statistics where a chunk is normalised by its own.
MIN_BATCH_STATISTICS = 250


@torch.inference_mode()
def count_hits(
    network: Network,
    path: SampledPath,
    chunks: Iterable[tuple[Tensor, Tensor]],
    normalise: Normalise,
) -> Tensor:
    """Counts the images that an individual classifies right.

    Args:
        network: where the path runs.
        path: the individual's plan.
        chunks: images and targets, as many at once as memory and cache like.
        normalise: how batch norm is done.

    Returns:
        A float64 scalar on the device; it is not waited for.
    """
    hits = torch.zeros((), dtype=torch.float64, device=network.device)
    for images, targets in chunks:
        hits += objective.count_hits(network(images, path, normalise), targets)
    return hits


@torch.inference_mode()
def recalibrate(network: Network, path: SampledPath, images: Tensor) -> Normalise:
    """An individual's own batch norm statistics, computed from one batch of training images.

    They are kept apart and hold as long as the weights stay: nothing of the network changes.
    """
    own = Recalibration()
    network(images, path, own.measure)
    return own.apply


def chunk_sizes(n_images: int, chunk: int, mode: BatchNormMode) -> list[int]:
    """Divides images into chunks whose sizes differ by at most one.

    A chunk has at most `chunk` images; in mode "batch", where a chunk is normalised by its own
    statistics, at least 250 and otherwise as near to `chunk` as that allows.
    """
    if mode == "batch":
        chunk = max(chunk, MIN_BATCH_STATISTICS)
    n_chunks = -(-n_images // chunk)
    if mode == "batch":
        n_chunks = max(1, min(n_chunks, n_images // MIN_BATCH_STATISTICS))
    small, n_larger = divmod(n_images, n_chunks)
    return [small + 1] * n_larger + [small] * (n_chunks - n_larger)
