"""The trainer of a real network, and its one measurement on the test set."""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emtnas_hpc.data.batches import Batch
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.sources import medmnist_task, parse_source
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed
from emtnas_hpc.retraining.loaders import open_images
from emtnas_hpc.retraining.record import TestResult
from emtnas_hpc.retraining.stage import Schedule, Step, StepResult
from emtnas_hpc.runner.loop import Interrupted, StepInterrupted
from emtnas_hpc.space.architecture import Architecture, NetworkShape
from emtnas_hpc.supernet import operations, training
from emtnas_hpc.supernet.graphs import Recorder, Steps
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.operations import draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training
from emtnas_hpc.supernet.weights import load_weights, save_weights


def area_under_curve(class_name: str, labels: NDArray[Any], scores: NDArray[Any]) -> float | None:
    """Area under the ROC curve: of the second class of two, else the mean over classes or labels.

    Args:
        class_name: of the MedMNIST set.
        labels: (n,) of class numbers, or (n, n_classes) of zeros and ones.
        scores: (n, n_classes), probabilities.

    Returns:
        In [0, 1]; None where a class has no image in the test set, or the scores are no numbers.
    """
    # Its package imports pandas, scikit-learn and torch.
    from medmnist.evaluator import getAUC

    with warnings.catch_warnings():
        # What scikit-learn warns of is answered with None.
        warnings.simplefilter("ignore")
        try:
            area = float(getAUC(labels, scores, medmnist_task(class_name)))
        except ValueError:
            return None
    return area if math.isfinite(area) else None


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
        self.hits += float(training.count_hits(logits, targets))
        self.loss += float(training.mean_loss(logits, targets)) * len(logits)
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
            raise StepInterrupted
        yield network(images, path, operations.running), targets


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


class StandAloneTrainer:
    """Trains one network on all images but those of the test set; a `NetworkTrainer`.

    Args:
        architecture: of the network.
        shape: of the network.
        schedule: of the steps.
        data: of the task; its test set stays closed until `test`.
        seed: of the run.
        device: where the network lives.
        recorder: of training steps, where they are to be CUDA graphs.
    """

    def __init__(
        self,
        architecture: Architecture,
        shape: NetworkShape,
        schedule: Schedule,
        data: TaskData,
        seed: int,
        device: torch.device,
        recorder: Recorder | None = None,
    ) -> None:
        self._schedule = schedule
        self._data = data
        self._seed = seed
        settings = schedule.settings
        # Initial weights are drawn on the CPU, so that they are the same on every device.
        weights = torch.Generator().manual_seed(
            torch_seed(seed, 0, None, Purpose.RETRAINING_WEIGHTS)
        )
        self._network = Network(shape, architecture, weights, device=device)
        self._path = self._network.path(architecture)
        self._training = Training(
            self._network,
            SgdSettings(settings.momentum, settings.nesterov, settings.weight_decay),
        )
        self._steps = Steps(self._training, recorder)
        self._images = open_images(data, settings, device)

    def train(self, step: Step, interrupted: Interrupted) -> StepResult:
        """Trains the mini-batches of a step."""
        schedule, settings = self._schedule, self._schedule.settings
        order = stream(self._seed, step.epoch, None, Purpose.RETRAINING_IMAGES)
        chosen = order.permutation(schedule.n_images)[step.first : step.last]
        augmentation = stream(self._seed, step.number, None, Purpose.RETRAINING_AUGMENTATION)
        masks = self._mask_generator(step.number)
        rate, drop_path = schedule.learning_rate(step.epoch), schedule.drop_path(step.epoch)
        batches = np.split(chosen, range(settings.batch_size, len(chosen), settings.batch_size))
        with (
            self._steps.phase(rate),
            closing(self._images.training(batches, augmentation)) as augmented,
        ):
            for indices, batch in zip(batches, augmented, strict=True):
                if interrupted():
                    raise StepInterrupted
                self._steps.step(
                    self._path,
                    batch,
                    draw_masks(
                        self._network.shape,
                        len(indices),
                        masks,
                        dropout=settings.dropout,
                        drop_path=drop_path,
                    ),
                )
        progress = self._training.read()
        return StepResult(progress.n_images, progress.loss, progress.accuracy)

    def test(self, interrupted: Interrupted) -> TestResult:
        """Opens the test set and measures the network on it."""
        with closing(self._images.test()) as batches:
            return measure(self._network, batches, self._data, interrupted)

    def save(self, file: Path) -> None:
        """Writes weights, momentum and batch-norm statistics."""
        save_weights(self._training.state(), file)

    def load(self, file: Path) -> None:
        """Reads them back, bit for bit."""
        self._training.load_state(load_weights(file))

    def _mask_generator(self, step: int) -> torch.Generator:
        seed = torch_seed(self._seed, step, None, Purpose.RETRAINING_MASKS)
        return torch.Generator(self._network.device).manual_seed(seed)
