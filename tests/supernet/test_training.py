import copy
import io
from dataclasses import replace

import pytest
import torch

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.supernet import operations, weights
from emtnas_hpc.supernet.operations import draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training, count_hits, mean_loss

pytestmark = pytest.mark.slow


def train(training, architecture, batch, steps) -> None:
    """Steps whose individual, images and masks depend on the number of the step alone."""
    for step in steps:
        images, targets = batch(seed=step, dtype=torch.float32)
        rng = torch.Generator().manual_seed(step)
        masks = draw_masks(training.network.shape, len(images), rng, dropout=0.1, drop_path=0.1)
        path = training.network.path(architecture(step % 3))
        training.step(path, images, targets, 0.1, masks=masks)


@pytest.fixture
def make_training(make_network):
    def make(seed=0, **arguments):
        network = make_network(seed=seed, dtype=torch.float32, **arguments)
        return Training(network, SgdSettings())

    return make


def test_training_lowers_the_loss_and_reports_it(make_training, architecture, batch):
    training = make_training()
    path, (images, targets) = training.network.path(architecture(0)), batch(dtype=torch.float32)
    losses = []
    for _step in range(20):
        training.step(path, images, targets, 0.05)
        losses.append(training.read().loss)
    assert losses[-1] < losses[0] / 3


def test_what_is_read_is_the_mean_over_images_since_the_last_reading(
    make_training, architecture, batch
):
    training = make_training()
    path = training.network.path(architecture(0))
    batches = [batch(n=n, seed=n, dtype=torch.float32) for n in (6, 2)]
    loss = hits = 0.0
    for images, targets in batches:
        with torch.no_grad():
            logits = training.network(images, path, operations.batch)
        loss += mean_loss(logits, targets).item() * len(images)
        hits += count_hits(logits, targets).item()
        training.step(path, images, targets, 0.1)
    progress = training.read()
    assert progress.n_images == 8
    assert progress.loss == pytest.approx(loss / 8, rel=1e-5)
    assert progress.accuracy == hits / 8
    assert training.read().n_images == 0


def test_a_saved_state_is_three_tensors_that_torch_reads_without_unpickling(
    make_training, architecture, batch
):
    training = make_training()
    train(training, architecture, batch, range(3))
    file = io.BytesIO()
    torch.save(training.state(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert [name for name, value in state.items() if isinstance(value, torch.Tensor)] == [
        "weights",
        "momentum",
        "statistics",
    ]
    for name, offset, shape in state["weights_layout"]:
        parameter = training.network.get_parameter(name)
        assert torch.equal(weights.view(state["weights"], offset, shape), parameter)
        assert weights.view(state["weights"], offset, shape).stride() == parameter.stride()


def test_training_goes_on_from_a_saved_state_bit_for_bit(make_training, architecture, batch):
    whole = make_training()
    train(whole, architecture, batch, range(8))

    first = make_training()
    train(first, architecture, batch, range(5))
    state = copy.deepcopy(first.state())
    second = make_training(seed=1)
    second.load_state(state)
    train(second, architecture, batch, range(5, 8))
    for name in ("weights", "momentum", "statistics"):
        assert torch.equal(whole.state()[name], second.state()[name])


def test_a_stand_alone_network_goes_on_from_a_saved_state(make_training, architecture, batch):
    first = make_training(architecture=architecture(0))
    images, targets = batch(dtype=torch.float32)
    first.step(first.network.path(architecture(0)), images, targets, 0.1)
    second = make_training(seed=1, architecture=architecture(0))
    second.load_state(copy.deepcopy(first.state()))
    assert torch.equal(first.network.weights, second.network.weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("momentum"), "no momentum found"),
        (lambda s: s.pop("weights_layout"), "no weights found"),
        (lambda s: s["weights_layout"].pop(), r"found \d+ tensors, expected \d+"),
        (lambda s: s["statistics_layout"].insert(0, ("x", 0, (4,))), "statistics are of another"),
        (lambda s: s.update(statistics=s["statistics"].double()), "found torch.float64"),
        (lambda s: s.update(momentum=s["momentum"][:-1]), "saved momentum: found"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_is_taken_from_it(
    change, message, make_training, architecture
):
    training = make_training(architecture=architecture(0))
    state = copy.deepcopy(make_training(seed=1, architecture=architecture(0)).state())
    change(state)
    before = training.network.weights.clone()
    with pytest.raises(DamagedError, match=message):
        training.load_state(state)
    assert torch.equal(training.network.weights, before)


def test_a_state_of_other_classes_names_the_tensor(make_training, shape):
    other = make_training(shape=replace(shape, n_classes=7)).state()
    with pytest.raises(DamagedError, match=r"'classifier.weight'.*\(7, 16\).*expected.*\(5, 16\)"):
        make_training().load_state(other)


def test_neither_networks_nor_steps_touch_the_global_generator(make_training, architecture, batch):
    results = []
    for poison in (1, 2):
        torch.manual_seed(poison)
        before = torch.get_rng_state()
        training = make_training()
        train(training, architecture, batch, range(3))
        assert torch.equal(torch.get_rng_state(), before)
        results.append(training.state()["weights"].clone())
    assert torch.equal(*results)
