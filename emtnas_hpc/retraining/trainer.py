"""Trains one network, and measures it once on the test set."""

import math
import warnings
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emtnas_hpc.data.batches import Batch
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed
from emtnas_hpc.retraining.loaders import open_images
from emtnas_hpc.retraining.record import TestResult
from emtnas_hpc.retraining.spec import Schedule, Step
from emtnas_hpc.retraining.stage import StepResult
from emtnas_hpc.runner.loop import Interrupted, leave_if
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
    # It imports pandas, scikit-learn and torch.
    from medmnist import INFO
    from medmnist.evaluator import getAUC

    with warnings.catch_warnings():
        # scikit-learn warns of exactly the cases in which the answer is None.
        warnings.simplefilter("ignore")
        try:
            area = float(getAUC(labels, scores, INFO[class_name.lower()]["task"]))
        except ValueError:
            return None
    return area if math.isfinite(area) else None


_TOP = 5


@torch.inference_mode()
def measure(
    network: Network, batches: Iterable[Batch], data: TaskData, interrupted: Interrupted
) -> TestResult:
    """Accuracy, top-5 accuracy, AUC and loss of a stand-alone network.

    Batch norm uses the running statistics: one path alone has moved them, in the end at a learning
    rate near 0.

    The AUC is measured for MedMNIST sets only.

    Raises:
        StepInterrupted: `interrupted` said so.
    """
    assert network.architecture is not None, "paths share the statistics of a supernet"
    path, source = network.path(network.architecture), parse_source(data.task)
    has_auc = source.kind == "medmnist"
    has_top = not data.multi_label and data.n_classes > _TOP
    n_images, hits, top_hits, loss = 0, 0.0, 0.0, 0.0
    scores, labels = [], []
    for images, targets in batches:
        leave_if(interrupted)
        logits = network(images, path, operations.running)
        n_images += len(logits)
        hits += float(training.count_hits(logits, targets))
        loss += float(training.mean_loss(logits, targets)) * len(logits)
        if has_top:
            best = logits.topk(_TOP, dim=1).indices
            top_hits += float((best == targets[:, None]).sum())
        if has_auc:
            scores.append((logits.sigmoid() if data.multi_label else logits.softmax(dim=1)).cpu())
            labels.append(targets.cpu())
    auc = None
    if has_auc:
        auc = area_under_curve(
            source.argument, torch.cat(labels).numpy(), torch.cat(scores).numpy()
        )
    # Outputs that are no numbers still hit the first class. Batch norm may hide a weight that is no
    # number: divided by an infinite variance it is 0.
    blocks = (network.weights, network.statistics)
    is_finite = math.isfinite(loss) and all(bool(block.isfinite().all()) for block in blocks)
    return TestResult(
        accuracy=hits / n_images,
        top5=top_hits / n_images if has_top else None,
        auc=auc,
        loss=loss / n_images if is_finite else None,
        seconds_test=0.0,
    )


class StandAloneTrainer:
    """Trains one network on the images that its settings name; a `NetworkTrainer`.

    The test set stays closed until `test`.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: TaskData,
        schedule: Schedule,
        *,
        shape: NetworkShape,
        seed: int,
        device: torch.device,
        recorder: Recorder | None = None,
    ) -> None:
        self._schedule = schedule
        self._data = data
        self._seed = seed
        settings = schedule.settings
        # Initial weights are drawn on the CPU, so that they are the same on every device.
        first = torch_seed(seed, 0, None, Purpose.RETRAINING_WEIGHTS)
        weights = torch.Generator().manual_seed(first)
        self._network = Network(shape, architecture, weights, device=device)
        self._path = self._network.path(architecture)
        sgd = SgdSettings(settings.momentum, settings.nesterov, settings.weight_decay)
        self._training = Training(self._network, sgd)
        self._steps = Steps(self._training, recorder)
        self._images = open_images(data, settings, device)

    def train(self, step: Step, interrupted: Interrupted) -> StepResult:
        """Trains the mini-batches of a step."""
        schedule, settings = self._schedule, self._schedule.settings
        order = stream(self._seed, step.epoch, None, Purpose.RETRAINING_IMAGES)
        chosen = order.permutation(schedule.n_images)[step.first : step.last]
        augmentation = stream(self._seed, step.number, None, Purpose.RETRAINING_AUGMENTATION)
        mask_seed = torch_seed(self._seed, step.number, None, Purpose.RETRAINING_MASKS)
        masks = torch.Generator(self._network.device).manual_seed(mask_seed)
        rate, drop_path = schedule.learning_rate(step.epoch), schedule.drop_path(step.epoch)
        batches = np.split(chosen, range(settings.batch_size, len(chosen), settings.batch_size))
        with (
            self._steps.phase(rate),
            closing(self._images.training(batches, augmentation)) as augmented,
        ):
            for indices, batch in zip(batches, augmented, strict=True):
                leave_if(interrupted)
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
