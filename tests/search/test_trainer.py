import numpy as np
import pytest
import torch

from emtnas_hpc.data.opening import open_task
from emtnas_hpc.runner.loop import StepInterrupted
from emtnas_hpc.search.spec import SearchPlan
from emtnas_hpc.search.trainer import SupernetTrainer
from emtnas_hpc.space.architecture import random_chromosome
from emtnas_hpc.supernet.weights import weights_differences

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def never() -> bool:
    return False


@pytest.fixture
def make_trainer(experiment_of, data_dir):
    def make(*, task=0, seed=0, **sections):
        experiment = experiment_of(**sections)
        data = {name: open_task(name, experiment.task[name], data_dir) for name in experiment.tasks}
        name = experiment.tasks[task]
        shape = SearchPlan(experiment, seed, data).shape(name)
        return SupernetTrainer(experiment, data[name], CPU, shape=shape, seed=seed, task=task)

    return make


@pytest.fixture
def chromosomes():
    rng = np.random.default_rng(5)
    return [random_chromosome(rng) for _ in range(4)]


@pytest.fixture
def saved(tmp_path):
    """The state of a trainer as a file."""

    def save(trainer, name):
        trainer.save(tmp_path / name)
        return tmp_path / name

    return save


def differ(a, b) -> bool:
    return any(weights_differences(a, b))


def test_the_same_generation_gives_the_same_bits(make_trainer, chromosomes, saved):
    a, b = make_trainer(), make_trainer()
    for trainer in (a, b):
        trainer.train(chromosomes, 1, never)
    assert not differ(saved(a, "a"), saved(b, "b"))
    assert a.evaluate(chromosomes, 1, never) == b.evaluate(chromosomes, 1, never)


def test_another_seed_task_or_generation_draws_otherwise(make_trainer, chromosomes, saved):
    first = make_trainer()
    first.train(chromosomes, 1, never)
    others = {"seed": make_trainer(seed=1), "task": make_trainer(task=1)}
    for name, other in others.items():
        other.train(chromosomes, 1, never)
        assert differ(saved(first, "first"), saved(other, name))
    records = [make_trainer().train(chromosomes, g, never).n_steps for g in range(1, 6)]
    assert len(set(records)) > 1


def test_the_global_generators_are_neither_used_nor_moved(make_trainer, chromosomes, saved):
    def train(poison):
        torch.manual_seed(poison)
        state = torch.get_rng_state()
        trainer = make_trainer()
        trainer.train(chromosomes, 2, never)
        accuracies = trainer.evaluate(chromosomes, 2, never)
        assert torch.equal(torch.get_rng_state(), state)
        return saved(trainer, f"poison{poison}"), accuracies

    (a, accuracies_a), (b, accuracies_b) = train(1), train(2)
    assert not differ(a, b)
    assert accuracies_a == accuracies_b


def test_evaluation_moves_nothing(make_trainer, chromosomes, saved):
    for mode in ("recalibrated", "batch", "running"):
        trainer = make_trainer(evaluation={"batch_norm": mode})
        trainer.train(chromosomes, 1, never)
        before = saved(trainer, "before")
        trainer.evaluate(chromosomes, 1, never)
        trainer.true_fitness(chromosomes[0], 1, never)
        assert not differ(before, saved(trainer, "after"))


def test_a_common_mini_batch_measures_equal_individuals_equally(make_trainer, chromosomes):
    twins = [chromosomes[0]] * 6
    common = make_trainer(evaluation={"mini_batch": "common"})
    own = make_trainer(evaluation={"mini_batch": "own"})
    for trainer in (common, own):
        trainer.train(chromosomes, 1, never)
    assert len(set(common.evaluate(twins, 1, never))) == 1
    assert len(set(own.evaluate(twins, 1, never))) > 1


def test_a_mini_batch_as_large_as_the_validation_set_measures_the_true_fitness(
    make_trainer, chromosomes
):
    trainer = make_trainer(evaluation={"batch_size": 1000})
    trainer.train(chromosomes, 1, never)
    sampled = trainer.evaluate(chromosomes, 1, never)
    assert sampled == tuple(trainer.true_fitness(c, 1, never) for c in chromosomes)


def test_every_chunk_of_a_set_that_is_sorted_by_class_holds_all_classes(
    make_trainer, chromosomes, monkeypatch
):
    """In mode batch, chunks of a few classes each cost 12 points of true fitness on MNIST."""
    classes = []

    def spy(_network, _path, chunks, _normalise):
        classes.extend(len(set(targets.tolist())) for _images, targets in chunks)
        return torch.zeros(())

    monkeypatch.setattr("emtnas_hpc.search.trainer.count_hits", spy)
    trainer = make_trainer(
        tasks=["mnist5k", "digits", "again"],
        evaluation={"batch_norm": "batch"},
    )
    trainer.true_fitness(chromosomes[0], 1, never)
    assert classes == [10, 10, 10]


def test_augmented_validation_images_are_other_images(make_trainer, chromosomes):
    plain = make_trainer(evaluation={"validation_images": "plain"})
    augmented = make_trainer(evaluation={"validation_images": "augmented"})
    for trainer in (plain, augmented):
        trainer.train(chromosomes, 1, never)
    measured = [[t.true_fitness(c, 1, never) for c in chromosomes] for t in (plain, augmented)]
    assert measured[0] != measured[1]


def test_drop_path_begins_with_its_generation(make_trainer, chromosomes, saved):
    with_path = {"drop_path": 0.5, "drop_path_from": 2, "dropout": 0.0}
    a = make_trainer(supernet=with_path)
    b = make_trainer(supernet={"drop_path": 0.0, "dropout": 0.0})
    for trainer in (a, b):
        trainer.train(chromosomes, 1, never)
    assert not differ(saved(a, "a1"), saved(b, "b1"))
    for trainer in (a, b):
        trainer.train(chromosomes, 2, never)
    assert differ(saved(a, "a2"), saved(b, "b2"))


def test_the_learning_rate_falls_with_the_generation_and_is_never_zero(make_trainer, chromosomes):
    rates = [make_trainer().train(chromosomes, g, never).learning_rate for g in (1, 2, 3)]
    assert rates == pytest.approx([0.1, 0.075, 0.025])


def test_an_interrupted_phase_is_abandoned(make_trainer, chromosomes):
    trainer = make_trainer()
    for phase in (
        lambda: trainer.train(chromosomes, 1, lambda: True),
        lambda: trainer.evaluate(chromosomes, 1, lambda: True),
        lambda: trainer.true_fitness(chromosomes[0], 1, lambda: True),
    ):
        with pytest.raises(StepInterrupted):
            phase()


def test_a_loaded_trainer_continues_bit_for_bit(make_trainer, chromosomes, saved):
    whole, first, second = make_trainer(), make_trainer(), make_trainer()
    for generation in (1, 2):
        whole.train(chromosomes, generation, never)
    first.train(chromosomes, 1, never)
    second.train(chromosomes, 3, never)  # what is loaded replaces this
    second.load(saved(first, "first"))
    second.train(chromosomes, 2, never)
    assert not differ(saved(whole, "whole"), saved(second, "second"))


def test_tasks_trained_in_another_order_get_the_same_bits(make_trainer, chromosomes, saved):
    def train(order):
        trainers = {task: make_trainer(task=task) for task in (0, 1)}
        for task in order:
            trainers[task].train(chromosomes, 1, never)
        return [saved(trainers[task], f"{order}{task}") for task in (0, 1)]

    for a, b in zip(train((0, 1)), train((1, 0)), strict=True):
        assert not differ(a, b)
