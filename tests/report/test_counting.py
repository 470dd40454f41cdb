import numpy as np
import pytest
from searches_by_hand import result_of, search

from emtnas_hpc.report.search_frames import macs_of, mean_per_step, parameters_of
from emtnas_hpc.space.architecture import NetworkShape, decode, random_chromosome
from emtnas_hpc.space.counts import count_macs, count_parameters

SHAPES = (
    NetworkShape(8, 1, 3, 32, 10),
    NetworkShape(48, 2, 3, 32, 100),
    NetworkShape(20, 3, 1, 28, 11),
    NetworkShape(48, 2, 3, 224, 1000, stem="strided"),
)


@pytest.fixture(scope="module")
def chromosomes() -> list[tuple[int, ...]]:
    rng = np.random.default_rng(0)
    found = [random_chromosome(rng) for _ in range(300)]
    # Both branches alike: one copy, but computed twice.
    found[0] = (0, 0, 1, 1, *found[0][4:])
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slices", ["in_use", "all"])
def test_parameters_at_once_are_those_one_by_one(chromosomes, shape, slices) -> None:
    expected = [count_parameters(decode(c), shape, slices) for c in chromosomes]
    assert parameters_of(np.array(chromosomes, np.uint8), shape, slices).tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_macs_at_once_are_those_one_by_one(chromosomes, shape) -> None:
    expected = [count_macs(decode(c), shape) for c in chromosomes]
    assert macs_of(np.array(chromosomes, np.uint8), shape).tolist() == expected


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_means_over_training_steps_are_those_that_the_search_wrote_down(n_tasks: int) -> None:
    history = search(n_tasks=n_tasks)
    entries = [task for generation in history.generations for task in generation.tasks]
    n_steps = sum(cell.n_steps for cell in entries)
    for count, name in ((parameters_of, "mean_parameters"), (macs_of, "mean_macs")):
        expected = sum(cell.n_steps * getattr(cell, name) for cell in entries) / n_steps
        assert mean_per_step([result_of(history)], count) == pytest.approx(expected)


def test_in_another_network_every_training_step_counts_as_often() -> None:
    history = search()
    total = n_steps = 0
    for individual, n in zip(history.individuals, history.n_steps, strict=True):
        own = history.header.tasks[individual.skill_factor].shape
        shape = NetworkShape(48, 2, own.image_channels, own.image_size, own.n_classes)
        total += n * count_macs(decode(individual.chromosome), shape)
        n_steps += n
    found = mean_per_step([result_of(history)], macs_of, channels=48, n_normal=2)
    assert found == pytest.approx(total / n_steps)


def test_searches_of_several_tasks_count_by_their_steps() -> None:
    histories = [search(), search(seed=1, generations=2)]
    steps = [sum(history.n_steps) for history in histories]
    alone = [mean_per_step([result_of(history)], macs_of) for history in histories]
    together = mean_per_step(map(result_of, histories), macs_of)
    assert together == pytest.approx(np.average(alone, weights=steps))
