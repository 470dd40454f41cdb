"""What a plan assumes where nothing has been measured: seconds and bytes, from settings alone."""

from collections.abc import Mapping, Sequence
from itertools import product

from emtnas_hpc.agenda.remaining import stages_of
from emtnas_hpc.agenda.transfers import TrainingImages
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.history import TaskHeader

#: The paper's search on CIFAR-10 and CIFAR-100 took 0.42 days of a 2080Ti (its Table 3).
_PAPER_S = 0.42 * 86_400
_PAPER_GENERATIONS = 300
GENERATION_S = _PAPER_S / _PAPER_GENERATIONS

#: Weights, momentum and statistics, fitted to those of C = 8, 20 and 48: numbers for every square
#: of a cell's width, and for every unit of its width. Of a task's supernet, and of one network.
_SUPERNET, _NETWORK = (249.2, 6052.0), (17.4, 344.0)
#: Multiply-adds for every pixel, likewise for every square of C and for every unit of it: so many
#: for a normal cell in every stack, and those of all the rest.
_MACS = ((27.0, 20.1), (217.1, 128.3))
#: What a strided stem has more of them than a plain one, likewise; pixels are those behind it.
_STRIDED = (27.0, 189.0)
#: To look at an image takes so much of the time of training on it.
_LOOKED_AT = 0.3
_BYTES = 4
#: state.h5 of 300 generations, and the record of 600 epochs, at most.
_HISTORY_BYTES, _RECORD_BYTES = 2_000_000, 100_000
_REDUCTIONS = 2


def guess_commits(experiment: Experiment) -> Mapping[str, float]:
    """Bytes of a commit by the name of the stage, from the sizes of the networks."""
    supernet, settings = experiment.supernet, experiment.retraining
    search = _numbers(_SUPERNET, supernet.channels, supernet.normal_cells) * len(experiment.tasks)
    names = stages_of(experiment)
    network = (
        _BYTES * _numbers(_NETWORK, settings.channels, n_normal) + _RECORD_BYTES
        for _task, n_normal in _retrainings(experiment)
    )
    return dict(zip(names, (_BYTES * search + _HISTORY_BYTES, *network), strict=True))


def guess_epochs(
    experiment: Experiment,
    tasks: Sequence[TaskHeader],
    transfers: Mapping[str, TrainingImages],
    pace_s: float,
) -> Mapping[str, float]:
    """Seconds of an epoch by the name of the retraining: as a generation's, by multiply-adds.

    A network with more channels uses a GPU better, so there this is rather too long.

    Args:
        experiment: whose retrainings.
        tasks: of its search.
        transfers: images of the data sets that it does not search on, by name.
        pace_s: seconds of a generation.
    """
    supernet, channels = experiment.supernet, experiment.retraining.channels
    images = {**{task.name: _of_task(task) for task in tasks}, **transfers}
    generation = sum(
        _images(experiment, task)
        * _work(images[task.name], supernet.channels, supernet.normal_cells)
        for task in tasks
    )
    seconds = (
        pace_s / generation * images[name].n_images * _work(images[name], channels, n_normal)
        for name, n_normal in _retrainings(experiment)
    )
    return dict(zip(stages_of(experiment)[1:], seconds, strict=True))


def _of_task(task: TaskHeader) -> TrainingImages:
    n_images = task.n_training + task.n_validation
    return TrainingImages(n_images, task.shape.first_size, task.shape.stem)


def _images(experiment: Experiment, task: TaskHeader) -> float:
    """Images that a generation trains on, and those that it only looks at as their part of one."""
    training, evaluation = experiment.training, experiment.evaluation
    trained = task.n_training
    if training.batches != "epoch":
        trained = min(trained, training.batches * training.batch_size)
    each = min(evaluation.batch_size, task.n_validation) + evaluation.recalibration_images
    n_individuals = experiment.search.population / len(experiment.tasks)
    return trained + _LOOKED_AT * (n_individuals * each + task.n_validation)


def _retrainings(experiment: Experiment) -> list[tuple[str, int]]:
    """Data set and N of each, in the order of the stages."""
    pairs = product(experiment.retrained, experiment.retraining.normal_cells)
    return [(task, n_normal) for (_found_on, task), n_normal in pairs]


def _work(images: TrainingImages, channels: int, normal_cells: int) -> float:
    """Multiply-adds of a network for an image."""
    square, width = ((per_cell * normal_cells + rest) for per_cell, rest in _MACS)
    if images.stem == "strided":
        square, width = square + _STRIDED[0], width + _STRIDED[1]
    return images.first_size**2 * (square * channels**2 + width * channels)


def _numbers(fitted: tuple[float, float], channels: int, normal_cells: int) -> float:
    per_square, per_width = fitted
    return sum(per_square * w * w + per_width * w for w in _widths(channels, normal_cells))


def _widths(channels: int, normal_cells: int) -> list[int]:
    """Of every cell."""
    stacks = [channels * 2**stack for stack in range(_REDUCTIONS + 1)]
    normal = [width for width in stacks for _cell in range(normal_cells)]
    return [*normal, *stacks[1:]]
