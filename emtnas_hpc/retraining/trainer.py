"""The trainer of a real network: one architecture on a data set that lives on the device."""

from pathlib import Path

import numpy as np
import torch

from emtnas_hpc.data import Images, Prepared
from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.manifest import SEEN_BY_A_SEARCH
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed
from emtnas_hpc.history.retraining import TestResult
from emtnas_hpc.retraining.schedule import Schedule, Step
from emtnas_hpc.retraining.stage import StepResult
from emtnas_hpc.retraining.testing import measure
from emtnas_hpc.runner.stage import Abandoned, Interrupted
from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.shape import NetworkShape
from emtnas_hpc.supernet.masks import draw_masks
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.sgd import SgdSettings
from emtnas_hpc.supernet.training import Training
from emtnas_hpc.supernet.weights import load_weights, save_weights


class StandAloneTrainer:
    """Trains one network on training and validation images together; a `NetworkTrainer`.

    Args:
        architecture: of the network.
        shape: of the network.
        schedule: of the steps.
        data: of the task; its test set stays closed until `test`.
        seed: of the run.
        device: where everything lives.
    """

    def __init__(
        self,
        architecture: Architecture,
        shape: NetworkShape,
        schedule: Schedule,
        data: Prepared,
        seed: int,
        device: torch.device,
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
        together = _joined(*(data.load(split) for split in SEEN_BY_A_SEARCH))
        self._images = _on_device(together, data, device, cutout=settings.cutout)

    def train(self, step: Step, interrupted: Interrupted) -> StepResult:
        """Trains the mini-batches of a step."""
        schedule, settings = self._schedule, self._schedule.settings
        order = stream(self._seed, step.epoch, None, Purpose.RETRAINING_IMAGES)
        chosen = order.permutation(schedule.n_images)[step.first : step.last]
        augmentation = stream(self._seed, step.number, None, Purpose.RETRAINING_AUGMENTATION)
        masks = self._mask_generator(step.number)
        rate, drop_path = schedule.learning_rate(step.epoch), schedule.drop_path(step.epoch)
        for batch in np.split(chosen, range(settings.batch_size, len(chosen), settings.batch_size)):
            if interrupted():
                raise Abandoned
            images, targets = self._images.augmented(
                batch, self._images.draw(augmentation, len(batch))
            )
            self._training.step(
                self._path,
                images,
                targets,
                rate,
                draw_masks(self._network.shape, len(batch), settings.dropout, drop_path, masks),
            )
        progress = self._training.read()
        return StepResult(progress.n_images, progress.loss, progress.accuracy)

    def test(self, interrupted: Interrupted) -> TestResult:
        """Opens the test set and measures the network on it."""
        images = _on_device(self._data.load("test"), self._data, self._network.device)
        return measure(self._network, images, self._data, interrupted)

    def save(self, file: Path) -> None:
        """Writes weights, momentum and batch-norm statistics."""
        save_weights(self._training.state(), file)

    def load(self, file: Path) -> None:
        """Reads them back, bit for bit."""
        self._training.load_state(load_weights(file))

    def _mask_generator(self, step: int) -> torch.Generator:
        seed = torch_seed(self._seed, step, None, Purpose.RETRAINING_MASKS)
        return torch.Generator(self._network.device).manual_seed(seed)


def _joined(first: Images, second: Images) -> Images:
    return Images(
        np.concatenate([first.images, second.images]), np.concatenate([first.labels, second.labels])
    )


def _on_device(
    images: Images, data: Prepared, device: torch.device, cutout: int = 0
) -> DeviceImages:
    return DeviceImages(
        images, data.mean, data.std, data.task.padding, data.task.flip, device, cutout
    )
