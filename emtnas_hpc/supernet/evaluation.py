"""Measuring an individual: images in bounded chunks, nothing of the network changed."""

from collections.abc import Iterable

import torch
from torch import Tensor

from emtnas_hpc.space.architecture import NetworkShape
from emtnas_hpc.supernet import training
from emtnas_hpc.supernet.network import Network, SampledPath
from emtnas_hpc.supernet.operations import BatchNormMode, Normalise, Recalibration

#: A tensor of more than 32 MB is page-faulted at every operation on a CPU.
CPU_CHUNK = 125

#: Activations of an image that are alive at once, in tensors of the first cell's size: the nodes of
#: a cell, their ReLUs, and what an operation works on.
_ALIVE = 24
#: Of a card's memory, the part that an evaluation may take: weights and training are there too.
_PART = 4

#: Fewer images give poor statistics where a chunk is normalised by its own.
MIN_BATCH_STATISTICS = 250


@torch.inference_mode()
def count_hits(
    network: Network,
    path: SampledPath,
    chunks: Iterable[tuple[Tensor, Tensor]],
    normalise: Normalise,
) -> Tensor:
    """Counts the images that an individual classifies right, without waiting for the device.

    Args:
        network: runs the path.
        path: the individual's.
        chunks: images and targets, as many at once as memory and cache like.
        normalise: how batch norm is done.

    Returns:
        A float64 scalar on the device.
    """
    hits = torch.zeros((), dtype=torch.float64, device=network.device)
    for images, targets in chunks:
        hits += training.count_hits(network(images, path, normalise), targets)
    return hits


@torch.inference_mode()
def recalibrate(network: Network, path: SampledPath, images: Tensor) -> Normalise:
    """An individual's own batch norm statistics, computed from one batch of training images.

    They are kept apart and hold as long as the weights stay: nothing of the network changes.
    """
    own = Recalibration()
    network(images, path, own.measure)
    return own.apply


def fitting_chunk(
    shape: NetworkShape, n_images: int, mode: BatchNormMode, device: torch.device
) -> int:
    """How many images to evaluate at once where the settings do not say it.

    Args:
        shape: of the network.
        n_images: of a mini-batch; more at once are of no use on CUDA.
        mode: in mode "batch" results depend on the number, so it is the same on every device.
        device: that evaluates.
    """
    if device.type != "cuda" or mode == "batch":
        return CPU_CHUNK
    memory = torch.cuda.get_device_properties(device).total_memory
    return max(1, min(n_images, memory // _PART // bytes_per_image(shape)))


def bytes_per_image(shape: NetworkShape) -> int:
    """Memory that the evaluation of one image takes, roughly and rather too much."""
    return 4 * _ALIVE * shape.channels * shape.first_size**2


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
