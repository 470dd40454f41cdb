import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.evolution.population import initial_population
from emtnas_hpc.pipeline import TrainingImages
from emtnas_hpc.search.history import TaskHeader
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.slurm.estimate import GENERATION_S, guess_commits, guess_epochs
from emtnas_hpc.space.architecture import NetworkShape, decode
from emtnas_hpc.space.counts import count_macs
from emtnas_hpc.supernet.network import Network


def _experiment(*settings: str) -> Experiment:
    return load_experiment("cifar", settings, registry=REGISTRY)


def _tasks(size: int = 32, n_training: int = 40_000) -> list[TaskHeader]:
    shape = NetworkShape(20, 1, 3, size, 10)
    return [TaskHeader(name, shape, n_training, 10_000) for name in ("cifar10", "cifar100")]


def _architectures() -> list[object]:
    parents = initial_population((5, 5), np.random.default_rng(0))
    return [decode(individual.chromosome) for individual in parents]


def _bytes(network: Network) -> int:
    """Weights, their momentum, the statistics."""
    return 4 * (2 * network.weights.numel() + network.statistics.numel())


def test_the_guess_of_a_generation_is_the_papers() -> None:
    assert math.isclose(GENERATION_S * 300 / 86_400, 0.42)


@pytest.mark.parametrize(("channels", "normal_cells"), [(8, 1), (20, 2), (48, 1)])
def test_the_guess_of_a_searchs_commit_is_right_within_two_percent(
    channels: int, normal_cells: int
) -> None:
    settings = (f"supernet.channels={channels}", f"supernet.normal_cells={normal_cells}")
    shape = NetworkShape(channels, normal_cells, 3, 32, 10)
    exact = 2 * _bytes(Network(shape, None, torch.Generator())) + 2e6
    assert guess_commits(_experiment(*settings))["search"] == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("channels", [20, 48])
def test_the_guess_of_a_retrainings_commit_is_that_of_an_average_network(channels: int) -> None:
    guesses = guess_commits(_experiment(f"retraining.channels={channels}"))
    names = [f"retraining/{t}-n{n}" for t in ("cifar10", "cifar100") for n in (2, 3)]
    assert [name.split("-long")[0] for name in guesses][1:] == names
    for n_normal, guess in zip((2, 3), list(guesses.values())[1:3], strict=True):
        shape = NetworkShape(channels, n_normal, 3, 32, 10)
        sizes = [_bytes(Network(shape, a, torch.Generator())) for a in _architectures()]
        assert guess == pytest.approx(np.mean(sizes), rel=0.15)


def test_an_epoch_is_guessed_by_multiply_adds() -> None:
    generation = np.mean([count_macs(a, NetworkShape(20, 1, 3, 32, 10)) for a in _architectures()])
    epochs = list(guess_epochs(_experiment(), _tasks(), {}, 100.0).values())
    for n_normal, guess in zip((2, 3), epochs[:2], strict=True):
        shape = NetworkShape(48, n_normal, 3, 32, 10)
        network = np.mean([count_macs(a, shape) for a in _architectures()])
        # 50,000 images of one task against those of two: 40,000, ten individuals' and all.
        of_a_task = 40_000 + 0.3 * (10 * (1000 + 250) + 10_000)
        expected = 100.0 * (50_000 * network) / (2 * of_a_task * generation)
        assert guess == pytest.approx(expected, rel=0.1)


def test_the_fewer_mini_batches_a_generation_has_the_longer_is_an_epoch_beside_it() -> None:
    def first(*settings: str) -> float:
        return next(iter(guess_epochs(_experiment(*settings), _tasks(), {}, 100.0).values()))

    assert first("training.batches=100") > first("training.batches=200") > first()
    assert first("training.batches=9999") == first()


def _transferred(images: TrainingImages) -> tuple[float, float]:
    """Seconds of an epoch on a task's own images, and on those of a transfer."""
    experiment = _experiment('retraining.transfer=["imagenet"]', "retraining.normal_cells=[2]")
    guesses = guess_epochs(experiment, _tasks(), {"imagenet": images}, 100.0)
    own, transferred = list(guesses.values())[:2], list(guesses.values())[2:]
    assert len({*own}) == len({*transferred}) == 1
    return own[0], transferred[0]


def test_a_transfer_is_guessed_by_the_number_and_the_size_of_its_own_images() -> None:
    own, alike = _transferred(TrainingImages(50_000, 32, "plain"))
    assert alike == pytest.approx(own)
    own, larger = _transferred(TrainingImages(500_000, 64, "plain"))
    assert larger == pytest.approx(40 * own)


def test_images_behind_a_strided_stem_cost_what_is_left_of_them_and_the_stem() -> None:
    plain, strided = NetworkShape(48, 2, 3, 32, 10), NetworkShape(48, 2, 3, 224, 1000, "strided")
    macs = [np.mean([count_macs(a, s) for a in _architectures()]) for s in (plain, strided)]
    own, imagenet = _transferred(TrainingImages(1_281_167, strided.first_size, "strided"))
    assert imagenet / own == pytest.approx(1_281_167 / 50_000 * macs[1] / macs[0], rel=0.05)


def test_tasks_that_were_searched_behind_a_strided_stem_are_no_larger_than_what_is_left() -> None:
    experiment = _experiment("retraining.normal_cells=[2]")
    strided = [replace(task, shape=replace(task.shape, stem="strided")) for task in _tasks(256)]
    guesses = [guess_epochs(experiment, tasks, {}, 100.0) for tasks in (strided, _tasks())]
    first, second = (next(iter(guess.values())) for guess in guesses)
    assert first == pytest.approx(second, rel=0.2)
    transferred = _experiment('retraining.transfer=["digits"]', "retraining.normal_cells=[2]")
    images = {"digits": TrainingImages(50_000, 32, "strided")}
    assert len({*guess_epochs(transferred, strided, images, 100.0).values()}) == 1
