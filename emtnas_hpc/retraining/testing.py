"""The one measurement on the test set."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emtnas_hpc.data import TaskData, parse_source
from emtnas_hpc.data.batches import Batch
from emtnas_hpc.history.retraining import TestResult
from emtnas_hpc.retraining.auc import area_under_curve
from emtnas_hpc.runner.stage import Abandoned, Interrupted
from emtnas_hpc.supernet import batch_norm, objective
from emtnas_hpc.supernet.network import Network

_TOP = 5


@torch.inference_mode()
def measure(
    network: Network, batches: Iterable[Batch], data: TaskData, interrupted: Interrupted
) -> TestResult:
    """Accuracy, top-5 accuracy, AUC and loss of a stand-alone network.

    Batch norm uses the running statistics: one path has moved them, at a learning rate that has
    come down to nothing, so they are its own.

    Outputs that are no numbers still hit the first class; a loss of None says that there are such.
    A weight or a statistic that is none says the same, though batch norm may hide it: what is
    divided by an infinite variance is 0.

    Args:
        network: that has been trained.
        batches: the test set, as many images at once as memory likes.
        data: that it belongs to; of MedMNIST sets the AUC is measured too.
        interrupted: asked between mini-batches.

    Raises:
        Abandoned: `interrupted` said so.
    """
    sums = _Sums()
    medmnist = _medmnist_name(data)
    scores, labels = [], []
    for logits, targets in _classified(network, batches, interrupted):
        sums.add(logits, targets)
        if medmnist:
            scores.append(logits.sigmoid() if targets.dim() == 2 else logits.softmax(dim=1))
            labels.append(targets)
    loss = sums.loss / sums.n_images
    return TestResult(
        accuracy=sums.hits / sums.n_images,
        top5=None if data.multi_label or data.n_classes <= _TOP else sums.top_hits / sums.n_images,
        auc=_auc(medmnist, labels, scores) if medmnist else None,
        loss=loss if np.isfinite(loss) and _is_finite(network) else None,
        seconds_test=0.0,
    )


@dataclass
class _Sums:
    """Over all images so far: no image's logits are kept."""

    n_images: int = 0
    hits: float = 0.0
    top_hits: float = 0.0
    loss: float = 0.0

    def add(self, logits: Tensor, targets: Tensor) -> None:
        self.n_images += len(logits)
        self.hits += float(objective.count_hits(logits, targets))
        self.loss += float(objective.mean_loss(logits, targets)) * len(logits)
        if targets.dim() == 1 and logits.shape[1] > _TOP:
            best = logits.topk(_TOP, dim=1).indices
            self.top_hits += float((best == targets[:, None]).sum())


def _classified(
    network: Network, batches: Iterable[Batch], interrupted: Interrupted
) -> Iterator[Batch]:
    assert network.architecture is not None, "a supernet's statistics are nobody's own"
    path = network.path(network.architecture)
    for images, targets in batches:
        if interrupted():
            raise Abandoned
        yield network(images, path, batch_norm.running), targets


def _is_finite(network: Network) -> bool:
    return all(bool(block.isfinite().all()) for block in (network.weights, network.statistics))


def _medmnist_name(data: TaskData) -> str:
    """The name of the class of a MedMNIST set; empty for other data."""
    source = parse_source(data.task)
    return source.argument if source.kind == "medmnist" else ""


def _auc(class_name: str, labels: list[Tensor], scores: list[Tensor]) -> float | None:
    return area_under_curve(
        class_name, torch.cat(labels).cpu().numpy(), torch.cat(scores).cpu().numpy()
    )
