"""The one measurement on the test set."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from emtnas_hpc.data import Prepared, parse_source
from emtnas_hpc.data.batches import Batch, DeviceImages
from emtnas_hpc.history.retraining import TestResult
from emtnas_hpc.retraining.auc import area_under_curve
from emtnas_hpc.runner.stage import Abandoned, Interrupted
from emtnas_hpc.supernet import batch_norm, objective
from emtnas_hpc.supernet.network import Network

#: Images that are looked at together; the running statistics make every image its own affair.
_CHUNK = 250
_TOP = 5


@torch.inference_mode()
def measure(
    network: Network, images: DeviceImages, data: Prepared, interrupted: Interrupted
) -> TestResult:
    """Accuracy, top-5 accuracy, AUC and loss of a stand-alone network.

    Batch norm uses the running statistics: one path has moved them, at a learning rate that has
    come down to nothing, so they are its own.

    Args:
        network: that has been trained.
        images: the test set.
        data: that it belongs to; of MedMNIST sets the AUC is measured too.
        interrupted: asked between chunks.

    Raises:
        Abandoned: `interrupted` said so.
    """
    logits, targets = _classify(network, images, interrupted)
    loss = float(objective.mean_loss(logits, targets))
    several = targets.dim() == 2
    return TestResult(
        accuracy=float(objective.count_hits(logits, targets)) / len(images),
        top5=None if several or data.n_classes <= _TOP else _top_accuracy(logits, targets),
        auc=_auc(data, logits.sigmoid() if several else logits.softmax(dim=1), targets),
        loss=loss if np.isfinite(loss) else None,
        seconds_test=0.0,
    )


def _classify(network: Network, images: DeviceImages, interrupted: Interrupted) -> Batch:
    assert network.architecture is not None, "a supernet's statistics are nobody's own"
    path = network.path(network.architecture)
    logits, targets = [], []
    for pixels, labels in _chunks(images, interrupted):
        logits.append(network(pixels, path, batch_norm.running))
        targets.append(labels)
    return torch.cat(logits), torch.cat(targets)


def _chunks(images: DeviceImages, interrupted: Interrupted) -> Iterator[Batch]:
    for first in range(0, len(images), _CHUNK):
        if interrupted():
            raise Abandoned
        yield images.plain(np.arange(first, min(first + _CHUNK, len(images))))


def _top_accuracy(logits: Tensor, targets: Tensor) -> float:
    best = logits.topk(_TOP, dim=1).indices
    return float((best == targets[:, None]).sum()) / len(targets)


def _auc(data: Prepared, scores: Tensor, targets: Tensor) -> float | None:
    source = parse_source(data.task)
    if source.kind != "medmnist":
        return None
    return area_under_curve(source.argument, targets.cpu().numpy(), scores.cpu().numpy())
