from collections.abc import Callable
from typing import Any

import pytest

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.retraining.spec import Origin, RetrainSpec
from emtnas_hpc.space.architecture import decode

Changed = Callable[..., RetrainSpec]

OTHER = decode((0,) * 40)

#: What another retraining may differ in, and whether seeds that do are still averaged.
DIFFERENT = [
    ({"seed": 4}, True),
    ({"architecture": OTHER}, True),
    ({"threads": 2}, False),
    ({"precision": "fp32"}, False),
    ({"task": "other"}, False),
    ({"n_normal": 2}, False),
    ({"images": REGISTRY["digits"].model_copy(update={"padding": 0})}, False),
    ({"images": REGISTRY["digits"].model_copy(update={"flip": True})}, False),
    ({"images": REGISTRY["digits"].model_copy(update={"stem": "strided"})}, False),
    ({"channels": 3}, False),
    ({"epochs": 3}, False),
    ({"cutout": 0}, False),
    ({"drop_path": 0.0}, False),
    ({"part_batches": 7}, False),
]

#: What makes no retraining another one.
SAME = [
    {"name": "other"},
    {"recipe": "other"},
    {"origin_": "other"},
    {"normal_cells": (7,)},
    {"data_workers": 0},
    {"images": REGISTRY["digits"].model_copy(update={"image_size": 9})},
    {"images": REGISTRY["digits"].model_copy(update={"source": "npz:digits.npz"})},
]


@pytest.mark.parametrize(("change", "averaged"), DIFFERENT)
def test_what_can_change_a_result_changes_the_signature(
    order: RetrainSpec, changed: Changed, change: dict[str, Any], averaged: bool
) -> None:
    other = changed(**change)
    assert other.identity("d").signature != order.identity("d").signature
    equal = other.experiment_signature("d") == order.experiment_signature("d")
    assert equal == averaged


@pytest.mark.parametrize("change", SAME)
def test_what_cannot_change_a_result_leaves_the_signature(
    order: RetrainSpec, changed: Changed, change: dict[str, Any]
) -> None:
    if "origin_" in change:
        settings = order.settings.model_copy(update={"origin": "other"})
        other = changed(settings=settings)
    else:
        other = changed(**change)
    assert other.identity("d") == order.identity("d")


def test_the_size_of_streamed_images_is_part_of_it(changed: Changed) -> None:
    """Of others it is in their digest."""
    task = REGISTRY["imagenet"]
    sizes = [changed(images=task.model_copy(update={"image_size": size})) for size in (64, 224)]
    assert sizes[0].identity("d").signature != sizes[1].identity("d").signature


def test_a_signature_from_before_there_were_stems_is_that_of_a_plain_one(
    order: RetrainSpec,
) -> None:
    assert "task.digits.stem" not in order.identity("d").values


def test_the_images_are_part_of_it(order: RetrainSpec) -> None:
    assert order.identity("d").signature != order.identity("e").signature
    assert order.experiment_signature("d") != order.experiment_signature("e")


def test_where_an_architecture_comes_from_changes_what_it_is_averaged_with_only(
    order: RetrainSpec, changed: Changed
) -> None:
    origins = [
        None,
        Origin("digits", 17, "a" * 64, "c" * 64),
        Origin("elsewhere", 17, "a" * 64, "b" * 64),
    ]
    from_elsewhere = [changed(origin=origin) for origin in origins]
    assert len({other.experiment_signature("d") for other in [order, *from_elsewhere]}) == 4
    assert len({other.identity("d").signature for other in [order, *from_elsewhere]}) == 1
    same = changed(origin=Origin("digits", 3, "f" * 64, "b" * 64))
    assert same.experiment_signature("d") == order.experiment_signature("d")


def test_the_folder_is_named_after_task_depth_and_recipe(
    order: RetrainSpec, changed: Changed
) -> None:
    label = "quick+channels=2+epochs=2+batch_size=96+learning_rate=0.025+d"
    assert order.stage_name.startswith(f"retraining/digits-n1-{label[:40]}")
    quick = {"recipe": "of another version"}
    assert changed(task="other", **quick).name.startswith("digits-on-other-n1-")


def test_different_architectures_from_elsewhere_are_never_averaged(
    changed: Changed,
) -> None:
    one, other = changed(origin=None), changed(origin=None, architecture=OTHER)
    assert one.experiment_signature("d") != other.experiment_signature("d")
    again = changed(origin=None, seed=4)
    assert one.experiment_signature("d") == again.experiment_signature("d")
