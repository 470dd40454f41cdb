from collections.abc import Callable

import pytest

from emtnas_hpc.settings.experiment import Experiment, StageIdentity, difference, identify
from emtnas_hpc.settings.messages import settings_schema

Load = Callable[..., Experiment]

DATA = {"cifar10": "a" * 64, "cifar100": "b" * 64}

#: For every setting that can change a result, a value that is not the default.
CHANGES = {
    "tasks": '["cifar100", "cifar10"]',
    "threads": "2",
    "precision": "fp32",
    "search.generations": "299",
    "search.population": "21",
    "search.rmp": "0.31",
    "search.crossover_probability": "0.9",
    "search.mutation_probability": "0.03",
    "search.reevaluate": "false",
    "search.fitness": "running_mean",
    "search.mutation_only_child": "coin",
    "search.mutation": "step",
    "search.true_fitness_every": "2",
    "supernet.channels": "21",
    "supernet.normal_cells": "2",
    "supernet.dropout": "0.2",
    "supernet.drop_path": "0.1",
    "supernet.drop_path_from": "52",
    "training.batch_size": "127",
    "training.batches": "3",
    "training.learning_rate": "0.2",
    "training.momentum": "0.8",
    "training.nesterov": "false",
    "training.weight_decay": "2e-4",
    "evaluation.batch_size": "999",
    "evaluation.mini_batch": "common",
    "evaluation.batch_norm": "batch",
    "evaluation.recalibration_images": "251",
    "evaluation.validation_images": "augmented",
    "task.cifar10.pool": "2",
    "task.cifar10.padding": "3",
    "task.cifar10.flip": "false",
    "task.cifar10.mean": "[0.5]",
    "task.cifar10.std": "[0.5]",
    "task.cifar10.image_size": "31",
}

#: And for every other setting.
NEUTRAL = {
    "name": "other",
    "evaluation.chunk_size": "124",
    "run.commit_interval_s": "0",
    "run.keep_commits": "3",
    "run.grace_s": "10",
    "run.graphs": "off",
    "task.cifar10.source": "npz:/data/cifar10.npz",
    "retraining.recipe": "table1",
    "retraining.origin": "me",
    "retraining.normal_cells": "[1]",
    "retraining.transfer": '["digits"]',
    "retraining.data_workers": "0",
    "retraining.channels": "47",
    "retraining.epochs": "599",
    "retraining.batch_size": "63",
    "retraining.learning_rate": "0.1",
    "retraining.momentum": "0.8",
    "retraining.nesterov": "false",
    "retraining.weight_decay": "2e-4",
    "retraining.dropout": "0.2",
    "retraining.drop_path": "0.1",
    "retraining.cutout": "8",
    "retraining.part_batches": "10",
}


def _signature(experiment: Experiment, seed: int = 0) -> str:
    return identify(experiment, seed, DATA).signature


def test_every_setting_is_known_to_these_tests(load: Load) -> None:
    names = {name for name, _schema in settings_schema() if not name.startswith("task.")}
    own = {name.replace("NAME", "cifar10") for name, _ in settings_schema() if "NAME" in name}
    elsewhere = {"task.cifar10.stem", "task.cifar10.validation_split", "search.strategy"}
    assert (names | own) - elsewhere == {*CHANGES, *NEUTRAL}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_can_change_a_result_changes_the_signature(load: Load, name: str) -> None:
    assert _signature(load("cifar", f"{name}={CHANGES[name]}")) != _signature(load("cifar"))


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_setting_that_cannot_change_a_result_leaves_the_signature(load: Load, name: str) -> None:
    changed = load("cifar", f"{name}={NEUTRAL[name]}")
    assert changed != load("cifar")
    assert _signature(changed) == _signature(load("cifar"))


def test_chunks_that_are_normalised_by_themselves_are_part_of_the_identity(load: Load) -> None:
    of_chunk = {
        chunk: _signature(
            load("cifar", "evaluation.batch_norm=batch", f"evaluation.chunk_size={chunk}")
        )
        for chunk in ("auto", "125", "500")
    }
    assert of_chunk["auto"] == of_chunk["125"] != of_chunk["500"]


def test_a_value_that_is_left_out_where_it_is_the_default_is_named_in_a_difference(
    load: Load,
) -> None:
    there = identify(load("cifar"), 0, DATA).values
    here = identify(load("cifar", "precision=fp32"), 0, DATA).values
    assert difference(there, here) == "precision is tf32 there, fp32 here"


def test_the_seed_and_the_images_change_the_signature(load: Load) -> None:
    experiment = load("cifar")
    signatures = {
        identify(experiment, 0, DATA).signature,
        identify(experiment, 1, DATA).signature,
        identify(experiment, 0, DATA | {"cifar10": "c" * 64}).signature,
    }
    assert len(signatures) == 3


def test_the_signature_is_that_of_the_values_whatever_their_order() -> None:
    assert StageIdentity({"a": 1, "b": 2}).signature == StageIdentity({"b": 2, "a": 1}).signature


def test_the_difference_names_each_value_on_both_sides() -> None:
    there = {"search.rmp": 0.3, "search.reevaluate": True, "training.batches": "epoch"}
    here = {"search.rmp": 0.1, "search.reevaluate": False, "training.batches": "epoch"}
    assert difference(there, here) == (
        "search.reevaluate is true there, false here; search.rmp is 0.3 there, 0.1 here"
    )


def test_the_difference_of_lists_reads_as_a_list() -> None:
    assert difference({"task.a.mean": [0.5]}, {"task.a.mean": [0.1, 0.2]}) == (
        "task.a.mean is 0.5 there, 0.1,0.2 here"
    )


def test_the_difference_of_images_is_said_in_words() -> None:
    assert difference({"data.digits": "ab" * 32}, {"data.digits": "cd" * 32}) == (
        "the images of digits are others than there"
    )
    assert (
        difference({"data": "ab" * 32}, {"data": "cd" * 32}) == "the images are others than there"
    )


@pytest.mark.parametrize("setting", ["pool", "image_size", "validation_split"])
def test_images_of_another_size_or_split_differ_in_the_setting_alone(setting: str) -> None:
    there = {f"task.a.b.{setting}": 1, "data.a.b": "ab" * 32, "data.c": "ab" * 32}
    here = {f"task.a.b.{setting}": 2, "data.a.b": "cd" * 32, "data.c": "ab" * 32}
    assert difference(there, here) == f"task.a.b.{setting} is 1 there, 2 here"


def test_where_the_tasks_differ_those_of_one_side_are_not_listed_setting_by_setting(
    load: Load,
) -> None:
    there = identify(load("cifar"), 0, DATA)
    here = identify(
        load("cifar", 'tasks=["cifar10", "digits"]', "task.cifar10.flip=false"),
        0,
        {"cifar10": "a" * 64, "digits": "d" * 64},
    )
    assert difference(there.values, here.values) == (
        "tasks is cifar10,cifar100 there, cifar10,digits here; "
        "task.cifar10.flip is true there, false here"
    )


def test_a_value_that_one_side_does_not_have_is_nothing_there() -> None:
    assert difference({}, {"search.new": 3}) == "search.new is nothing there, 3 here"


def test_a_long_difference_is_cut_and_counted() -> None:
    there, here = {f"s{i}": 0 for i in range(7)}, {f"s{i}": 1 for i in range(7)}
    assert difference(there, here).endswith("s4 is 0 there, 1 here; and 2 more")


def test_the_signature_of_the_papers_search_is_the_one_on_record(load, check_golden) -> None:
    """A changed signature gives every search a new identity; it must never change unnoticed."""
    identity = identify(load("cifar"), 0, {"cifar10": "0" * 64, "cifar100": "1" * 64})
    check_golden("signature.txt", f"{identity.signature}\n{identity.experiment_signature}\n")
