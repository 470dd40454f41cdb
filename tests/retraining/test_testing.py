from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from emtnas_hpc.data.batches import Batch, DeviceImages
from emtnas_hpc.data.dataset import Prepared, open_copy
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.retraining.spec import RetrainingPlan
from emtnas_hpc.retraining.trainer import area_under_curve, measure
from emtnas_hpc.runner.loop import Interrupted, StepInterrupted
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.network import Network

CPU = torch.device("cpu")


@pytest.fixture
def network(plan: RetrainingPlan) -> Network:
    generator = torch.Generator().manual_seed(0)
    return Network(plan.shape, plan.spec.architecture, generator)


def on_device(data: Prepared) -> DeviceImages:
    return DeviceImages(data.load("test"), data.mean, data.std, CPU, padding=0, flip=False)


def batches(images: DeviceImages) -> Iterator[Batch]:
    for chunk in np.array_split(np.arange(len(images)), 3):
        yield images.plain(chunk)


def logits_of(network: Network, images: DeviceImages) -> tuple[torch.Tensor, np.ndarray]:
    pixels, labels = images.plain(np.arange(len(images)))
    with torch.inference_mode():
        path = network.path(network.architecture)
        return network(pixels, path, operations.running), labels.numpy()


def test_accuracy_and_loss_are_those_of_all_images_at_once(
    network: Network, digits: Prepared, never: Interrupted
) -> None:
    images = on_device(digits)
    result = measure(network, batches(images), digits, never)
    logits, labels = logits_of(network, images)
    order = np.argsort(-logits.numpy(), axis=1)
    assert result.accuracy == np.mean(order[:, 0] == labels)
    assert result.top5 == np.mean((order[:, :5] == labels[:, None]).any(axis=1))
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
    assert result.loss == pytest.approx(float(expected), rel=1e-5)
    assert result.auc is None


def test_nothing_of_the_network_is_changed(
    network: Network, digits: Prepared, never: Interrupted
) -> None:
    before = network.weights.clone(), network.statistics.clone()
    measure(network, batches(on_device(digits)), digits, never)
    assert torch.equal(before[0], network.weights)
    assert torch.equal(before[1], network.statistics)


def test_a_measurement_is_left_where_it_is_interrupted(network: Network, digits: Prepared) -> None:
    with pytest.raises(StepInterrupted):
        measure(network, batches(on_device(digits)), digits, iter([False, True]).__next__)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_statistic_that_is_no_finite_number_is_told_though_outputs_hide_it(
    network: Network, digits: Prepared, never: Interrupted, value: float
) -> None:
    name, offset, _shape = next(x for x in network.statistics_layout if x[0].endswith("var"))
    network.statistics[offset] = value
    images = on_device(digits)
    hidden = value == torch.inf
    assert bool(logits_of(network, images)[0].isfinite().all()) == hidden, name
    assert measure(network, batches(images), digits, never).loss is None


def test_a_loss_that_is_no_number_is_none(
    network: Network, digits: Prepared, never: Interrupted
) -> None:
    with torch.no_grad():
        network.weights.fill_(torch.nan)
    result = measure(network, batches(on_device(digits)), digits, never)
    assert result.loss is None


@pytest.fixture
def medmnist(tmp_path: Path) -> Callable[..., Prepared]:
    """Images with these labels, prepared as if they were a MedMNIST set."""

    def make(class_name: str, labels: np.ndarray) -> Prepared:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 256, (len(labels), 8, 8), np.uint8)
        arrays = {f"{split}_images": pixels for split in ("train", "val", "test")}
        arrays |= {f"{split}_labels": labels for split in ("train", "val", "test")}
        np.savez(tmp_path / "mine.npz", **arrays)
        own = TaskSettings(source=f"npz:{tmp_path / 'mine.npz'}")
        made = prepare("mine", own, tmp_path)
        task = TaskSettings(source=f"medmnist:{class_name}")
        made.folder.rename(tmp_path / f"medmnist-{class_name.lower()}")
        return open_copy(class_name.lower(), task, tmp_path, None)

    return make


def network_for(plan: RetrainingPlan, data: Prepared) -> Network:
    shape = replace(plan, data=data).shape
    return Network(shape, plan.spec.architecture, torch.Generator().manual_seed(1))


def test_a_medmnist_set_of_two_classes_has_the_auc_of_its_second(
    plan: RetrainingPlan, medmnist: Callable[..., Prepared], never: Interrupted
) -> None:
    data = medmnist("BreastMNIST", np.arange(60) % 2)
    network, images = network_for(plan, data), on_device(data)
    result = measure(network, batches(images), data, never)
    logits, labels = logits_of(network, images)
    assert result.auc == pytest.approx(roc_auc_score(labels, logits.softmax(dim=1)[:, 1]))
    assert result.top5 is None


def test_a_medmnist_set_of_several_classes_has_the_mean_auc_of_one_against_the_rest(
    plan: RetrainingPlan, medmnist: Callable[..., Prepared], never: Interrupted
) -> None:
    data = medmnist("PathMNIST", np.arange(90) % 9)
    network, images = network_for(plan, data), on_device(data)
    result = measure(network, batches(images), data, never)
    logits, labels = logits_of(network, images)
    scores = logits.softmax(dim=1).numpy()
    areas = [roc_auc_score(labels == c, scores[:, c]) for c in range(9)]
    assert result.auc == pytest.approx(np.mean(areas), abs=1e-6)
    assert result.top5 > result.accuracy


def test_of_several_labels_an_image_the_auc_is_the_mean_over_labels() -> None:
    rng = np.random.default_rng(2)
    labels, scores = (rng.random((50, 14)) < 0.5).astype(np.float32), rng.random((50, 14))
    areas = [roc_auc_score(labels[:, label], scores[:, label]) for label in range(14)]
    assert area_under_curve("ChestMNIST", labels, scores) == pytest.approx(np.mean(areas))


def test_a_class_without_a_test_image_has_no_auc() -> None:
    scores = np.full((4, 2), 0.5)
    assert area_under_curve("BreastMNIST", np.zeros(4, np.int64), scores) is None
    assert area_under_curve("BreastMNIST", np.arange(4) % 2, np.full((4, 2), np.nan)) is None
