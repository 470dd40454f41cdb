from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emtnas_hpc.data.dataset import Prepared, Streamed
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.retraining.spec import Origin, RetrainingPlan, RetrainSpec
from emtnas_hpc.runner.loop import Interrupted
from emtnas_hpc.settings.experiment import RetrainingSettings
from emtnas_hpc.settings.loading import build_experiment
from emtnas_hpc.space.architecture import decode, random_chromosome

#: Everything on, and an epoch of three steps: 6, 6 and 0 mini-batches and a rest.
SETTINGS = RetrainingSettings(
    recipe="quick",
    channels=2,
    epochs=2,
    batch_size=96,
    dropout=0.1,
    drop_path=0.2,
    cutout=4,
    part_batches=6,
)
ORIGIN = Origin("digits", 17, "a" * 64, "b" * 64)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def digits(data_dir: Path) -> Prepared:
    return prepare("digits", REGISTRY["digits"], data_dir)


@pytest.fixture(scope="session")
def streamed(
    make_pictures: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Streamed:
    """60 training and 15 test pictures of three classes, as images of 64x64."""
    folder = tmp_path_factory.mktemp("streamed")
    make_pictures(folder / "imagenet")
    task = REGISTRY["imagenet"].model_copy(update={"image_size": 64})
    data = prepare("imagenet", task, folder)
    assert isinstance(data, Streamed)
    return data


@pytest.fixture(scope="session")
def order() -> RetrainSpec:
    experiment = build_experiment({"name": "tiny", "tasks": ["digits"]}, REGISTRY)
    return RetrainSpec(
        experiment=experiment.model_copy(update={"retraining": SETTINGS}),
        seed=3,
        architecture=decode(random_chromosome(np.random.default_rng(5))),
        origin=ORIGIN,
        task="digits",
        n_normal=1,
    )


@pytest.fixture(scope="session")
def plan(order: RetrainSpec, digits: Prepared) -> RetrainingPlan:
    return RetrainingPlan(order, digits)


@pytest.fixture(scope="session")
def changed(order: RetrainSpec) -> Callable[..., RetrainSpec]:
    """The order with some of its fields, or settings of it or of its experiment, changed."""

    def change(**values: Any) -> RetrainSpec:
        own = {f.name: values.pop(f.name) for f in fields(order) if f.name in values}
        settings = values.pop("settings", order.settings)
        images = {own.get("task", order.task): values.pop("images", order.images)}
        names = {"name", "threads", "precision"} & set(values)
        whole = {name: values.pop(name) for name in names}
        whole["retraining"] = settings.model_copy(update=values)
        whole["task"] = {**order.experiment.task, **images}
        return replace(order, experiment=order.experiment.model_copy(update=whole), **own)

    return change


@pytest.fixture(autouse=True)
def poisoned() -> Iterator[None]:
    """Nothing uses torch's global generator, or moves it."""
    torch.manual_seed(666)
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def never() -> Interrupted:
    return lambda: False
