"""The trainer of a real network: one architecture on one data set."""

from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from emtnas_hpc.data import TaskData
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed
from emtnas_hpc.history.retraining import TestResult
from emtnas_hpc.retraining.images import open_images
from emtnas_hpc.retraining.schedule import Schedule, Step
from emtnas_hpc.retraining.stage import StepResult
from emtnas_hpc.retraining.testing import measure
from emtnas_hpc.runner.stage import Abandoned, Interrupted
from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.shape import NetworkShape
from emtnas_hpc.supernet.graphs import Recorder, Steps
from emtnas_hpc.supernet.masks import draw_masks
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.sgd import SgdSettings
from emtnas_hpc.supernet.training import Training
from emtnas_hpc.supernet.weights import load_weights, save_weights


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
                    raise Abandoned
                self._steps.step(
                    self._path,
                    batch,
                    draw_masks(
                        self._network.shape, len(indices), settings.dropout, drop_path, masks
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
