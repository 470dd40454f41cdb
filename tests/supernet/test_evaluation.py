from types import SimpleNamespace

import pytest
import torch

from emtnas_hpc.space.architecture import NetworkShape
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.evaluation import (
    bytes_per_image,
    chunk_sizes,
    count_hits,
    fitting_chunk,
    recalibrate,
)
from emtnas_hpc.supernet.training import SgdSettings, Training

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(make_network, architecture, batch):
    """A network that has seen something, with a path through it."""
    network = make_network(architecture=architecture(0))
    training = Training(network, SgdSettings())
    path = network.path(architecture(0))
    for step in range(5):
        training.step(path, *batch(seed=step), 0.05)
    return network, path


def test_hits_in_chunks_are_the_hits_of_all_images_at_once(trained, batch):
    network, path = trained
    images, targets = batch(n=60, seed=9)
    own = recalibrate(network, path, batch(n=20, seed=8)[0])
    for normalise in (operations.running, own):
        whole = count_hits(network, path, [(images, targets)], normalise)
        chunks = zip(images.split(7), targets.split(7), strict=True)
        assert count_hits(network, path, chunks, normalise) == whole
        assert 0 < whole < 60


def test_hits_are_the_classes_that_the_logits_name(trained, batch):
    network, path = trained
    images, targets = batch(n=30)
    with torch.no_grad():
        logits = network(images, path, operations.running)
    expected = sum(int(row.argmax()) == int(t) for row, t in zip(logits, targets, strict=True))
    assert count_hits(network, path, [(images, targets)], operations.running).item() == expected


def test_recalibration_leaves_the_network_as_it_was(trained, batch):
    network, path = trained
    before = network.weights.clone(), network.statistics.clone()
    images, targets = batch(n=20)
    own = recalibrate(network, path, images)
    count_hits(network, path, [(images, targets)], own)
    assert torch.equal(network.weights, before[0])
    assert torch.equal(network.statistics, before[1])


def test_recalibrated_statistics_are_those_of_the_calibration_images(trained, batch):
    network, path = trained
    images, _targets = batch(n=20)
    own = recalibrate(network, path, images)
    with torch.no_grad():
        calibrated = network(images, path, own)
        # The own batch's, but for the variance that is divided by n - 1 for later images.
        torch.testing.assert_close(
            calibrated, network(images, path, operations.batch), rtol=0.2, atol=0.2
        )
        assert not torch.equal(calibrated, network(images, path, operations.running))


def test_a_recalibrated_prediction_does_not_depend_on_its_neighbours(trained, batch):
    network, path = trained
    own = recalibrate(network, path, batch(n=20)[0])
    images, _targets = batch(n=10, seed=3)
    with torch.no_grad():
        together = network(images, path, own)
        alone = network(images[:1], path, own)
        torch.testing.assert_close(together[:1], alone)
        assert not torch.allclose(
            network(images, path, operations.batch)[:2], network(images[:2], path, operations.batch)
        )


def test_an_operation_that_runs_twice_is_recalibrated_once_for_both(make_network, special, batch):
    network, (images, _targets) = make_network(), batch(n=20)
    path = network.path(special["both branches select one operation"])
    own = recalibrate(network, path, images)
    with torch.no_grad():
        assert network(images, path, own).isfinite().all()


@pytest.mark.parametrize(
    ("n", "chunk", "mode", "sizes"),
    [
        (1000, 125, "running", [125] * 8),
        (1000, 125, "recalibrated", [125] * 8),
        (1001, 125, "running", [112] * 2 + [111] * 7),
        (100, 125, "running", [100]),
        (1000, 125, "batch", [250] * 4),
        (999, 125, "batch", [333] * 3),
        (499, 125, "batch", [499]),
        (100, 125, "batch", [100]),
        (1000, 400, "batch", [334, 333, 333]),
        (501, 400, "batch", [251, 250]),
    ],
)
def test_chunks_are_even_and_bounded(n, chunk, mode, sizes):
    assert chunk_sizes(n, chunk, mode) == sizes


@pytest.mark.parametrize(
    ("memory_gb", "channels", "image_size", "chunk"),
    [(11, 20, 32, 1000), (11, 48, 64, 145), (140, 48, 64, 1000), (0.001, 48, 224, 1)],
)
def test_on_a_gpu_as_many_images_are_evaluated_at_once_as_a_quarter_of_its_memory_holds(
    memory_gb, channels, image_size, chunk, monkeypatch
):
    card = SimpleNamespace(total_memory=int(memory_gb * 1e9))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: card)
    shape = NetworkShape(channels, 1, 3, image_size, 10)
    cuda = torch.device("cuda")
    assert fitting_chunk(shape, 1000, "running", cuda) == chunk
    assert chunk == 1 or chunk * bytes_per_image(shape) <= card.total_memory / 4
    # There results depend on it, so it is the same on every device.
    assert fitting_chunk(shape, 1000, "batch", cuda) == 125


def test_on_a_cpu_125_images_are_evaluated_at_once(shape):
    for mode in ("running", "recalibrated", "batch"):
        assert fitting_chunk(shape, 1000, mode, torch.device("cpu")) == 125
