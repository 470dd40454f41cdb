import math

import numpy as np
import pytest
import torch

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.evolution.population import random_population
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.slurm.estimate import GENERATION_S, guess_commits
from emtnas_hpc.space.architecture import NetworkShape, decode
from emtnas_hpc.supernet.network import Network


def _experiment(*settings: str) -> Experiment:
    return load_experiment("cifar", settings, registry=REGISTRY)


def _architectures() -> list[object]:
    parents = random_population((5, 5), np.random.default_rng(0))
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
