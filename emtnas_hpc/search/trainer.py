"""Trains and evaluates a supernet on a data set that lives on the device."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emtnas_hpc.data.batches import DeviceImages, place_on_device
from emtnas_hpc.data.dataset import Prepared
from emtnas_hpc.data.manifest import SEEN_BY_A_SEARCH
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed
from emtnas_hpc.runner.loop import Interrupted, leave_if
from emtnas_hpc.search.stage import TrainingRecord
from emtnas_hpc.settings.experiment import (
    EvaluationSettings,
    Experiment,
    TrainingSettings,
    cosine_rate,
)
from emtnas_hpc.space.architecture import Chromosome, NetworkShape, decode
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.evaluation import chunk_sizes, count_hits, fitting_chunk, recalibrate
from emtnas_hpc.supernet.graphs import Recorder, Steps
from emtnas_hpc.supernet.network import Network, SampledPath
from emtnas_hpc.supernet.operations import Normalise, draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training
from emtnas_hpc.supernet.weights import load_weights, save_weights

Indices = npt.NDArray[np.int64]


def training_batches(
    n_images: int, settings: TrainingSettings, rng: np.random.Generator
) -> list[Indices]:
    """The mini-batches of an epoch, or as many as are asked for, epoch after epoch.

    Returns:
        Indices of images, (batch_size,) each; the last batch of an epoch may be smaller.
    """
    size, batches = settings.batch_size, settings.batches
    wanted = n_images if batches == "epoch" else batches * size
    n_epochs = -(-wanted // n_images)
    order = np.concatenate([rng.permutation(n_images) for _epoch in range(n_epochs)])[:wanted]
    return np.split(order, range(size, wanted, size))


class SupernetTrainer:
    """A `TaskTrainer` with training and validation images on its device.

    `task` is part of every random stream.
    """

    def __init__(
        self,
        experiment: Experiment,
        data: Prepared,
        device: torch.device,
        *,
        shape: NetworkShape,
        seed: int,
        task: int,
        recorder: Recorder | None = None,
    ) -> None:
        self._experiment = experiment
        self._training_images, self._validation_images = (
            place_on_device(data, data.load(split), device) for split in SEEN_BY_A_SEARCH
        )
        self._seed = seed
        self._task = task
        # Initial weights are drawn on the CPU, so that they are the same on every device.
        weights = torch.Generator().manual_seed(torch_seed(seed, 0, task, Purpose.WEIGHTS))
        self._network = Network(shape, None, weights, device=device)
        self._chunk = evaluation_chunk(shape, experiment.evaluation, device)
        settings = experiment.training
        sgd = SgdSettings(settings.momentum, settings.nesterov, settings.weight_decay)
        self._training = Training(self._network, sgd)
        self._steps = Steps(self._training, recorder)

    def train(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> TrainingRecord:
        """One epoch; every mini-batch trains one chromosome, drawn uniformly."""
        settings, supernet = self._experiment.training, self._experiment.supernet
        n_generations = self._experiment.search.generations
        rate = cosine_rate(settings.learning_rate, generation, n_generations)
        order = self._stream(generation, Purpose.TRAINING_IMAGES)
        batches = training_batches(len(self._training_images), settings, order)
        draws = self._stream(generation, Purpose.TRAINING_PATHS)
        chosen = draws.integers(len(chromosomes), size=len(batches))
        augmentation = self._stream(generation, Purpose.AUGMENTATION)
        mask_seed = torch_seed(self._seed, generation, self._task, Purpose.MASKS)
        masks = torch.Generator(self._network.device).manual_seed(mask_seed)
        drop_path = supernet.drop_path if generation >= supernet.drop_path_from else 0.0
        # Graphs of architectures that died out would fill the device's memory.
        self._steps.keep({decode(chromosome) for chromosome in chromosomes})
        with self._steps.phase(rate):
            queues = self._training_images.queues(batches, augmentation)
            for choice, indices, queue in zip(chosen.tolist(), batches, queues, strict=True):
                leave_if(interrupted)
                self._steps.step(
                    self._path(chromosomes[choice]),
                    queue,
                    draw_masks(
                        self._network.shape,
                        len(indices),
                        masks,
                        dropout=supernet.dropout,
                        drop_path=drop_path,
                    ),
                )
        progress = self._training.read()
        n_steps = np.bincount(chosen, minlength=len(chromosomes))
        return TrainingRecord(progress.loss, progress.accuracy, rate, tuple(n_steps.tolist()))

    def evaluate(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> tuple[float, ...]:
        """Sampled accuracy of each, on one random validation mini-batch, in [0, 1]."""
        settings = self._experiment.evaluation
        draws = self._stream(generation, Purpose.VALIDATION_BATCH)
        augmentation = self._stream(generation, Purpose.VALIDATION_AUGMENTATION)
        common = None
        if settings.mini_batch == "common":
            common = list(self._mini_batch(draws, augmentation))
        calibration = self._calibration_images(generation)
        hits = []
        for chromosome in chromosomes:
            leave_if(interrupted)
            path = self._path(chromosome)
            chunks = common or self._mini_batch(draws, augmentation)
            hits.append(count_hits(self._network, path, chunks, self._normalise(path, calibration)))
        # Read together: waiting for each would leave the device idle in between.
        n_images = min(settings.batch_size, len(self._validation_images))
        return tuple((torch.stack(hits) / n_images).tolist())

    def true_fitness(
        self, chromosome: Chromosome, generation: int, interrupted: Interrupted
    ) -> float:
        """Accuracy on the whole validation set, in [0, 1]."""
        path = self._path(chromosome)
        normalise = self._normalise(path, self._calibration_images(generation))
        validation = self._validation_images
        augmentation = self._stream(generation, Purpose.TRUE_FITNESS)
        # Files are often sorted by class, and in mode batch a chunk is normalised by itself. The
        # order is always the same, so that only the weights differ between generations.
        order = self._stream(0, Purpose.TRUE_FITNESS).permutation(len(validation))

        def chunks() -> Iterator[tuple[Tensor, Tensor]]:
            for chunk in self._validation_chunks(order, augmentation):
                leave_if(interrupted)
                yield chunk

        hits = count_hits(self._network, path, chunks(), normalise)
        return float(hits.item() / len(validation))

    def save(self, file: Path) -> None:
        """Writes weights, momentum and batch-norm statistics."""
        save_weights(self._training.state(), file)

    def load(self, file: Path) -> None:
        """Reads them back, bit for bit."""
        self._training.load_state(load_weights(file))

    def _path(self, chromosome: Chromosome) -> SampledPath:
        return self._network.path(decode(chromosome))

    def _stream(self, generation: int, purpose: Purpose) -> np.random.Generator:
        return stream(self._seed, generation, self._task, purpose)

    def _mini_batch(
        self, draws: np.random.Generator, augmentation: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self._validation_images)
        size = min(self._experiment.evaluation.batch_size, n)
        return self._validation_chunks(draws.choice(n, size, replace=False), augmentation)

    def _validation_chunks(
        self, indices: Indices, augmentation: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        settings, images = self._experiment.evaluation, self._validation_images
        sizes = chunk_sizes(len(indices), self._chunk, settings.batch_norm)
        for chunk in np.split(indices, np.cumsum(sizes)[:-1]):
            if settings.validation_images == "augmented":
                yield _augmented(images, chunk, augmentation)
            else:
                yield images.plain(chunk)

    def _calibration_images(self, generation: int) -> Tensor | None:
        """One batch of augmented training images for all individuals of a generation."""
        settings, training = self._experiment.evaluation, self._training_images
        if settings.batch_norm != "recalibrated":
            return None
        rng = self._stream(generation, Purpose.RECALIBRATION)
        size = min(settings.recalibration_images, len(training))
        chosen = rng.choice(len(training), size, replace=False)
        return _augmented(training, chosen, rng)[0]

    def _normalise(self, path: SampledPath, calibration: Tensor | None) -> Normalise:
        if calibration is not None:
            return recalibrate(self._network, path, calibration)
        mode = self._experiment.evaluation.batch_norm
        return operations.batch if mode == "batch" else operations.running


def evaluation_chunk(
    shape: NetworkShape, settings: EvaluationSettings, device: torch.device
) -> int:
    """Validation images that a search evaluates at once."""
    if settings.chunk_size != "auto":
        return settings.chunk_size
    return fitting_chunk(shape, settings.batch_size, settings.batch_norm, device)


def _augmented(
    images: DeviceImages, indices: Indices, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    return images.augmented(indices, images.draw(rng, len(indices)))
