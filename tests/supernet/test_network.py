"""The supernet against plain.py, the method module by module, in float64."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from emtnas_hpc.errors import InputError
from emtnas_hpc.export.networks import plain_copy, plain_names
from emtnas_hpc.space.architecture import MIN_IMAGE_SIZE, NetworkShape
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.network import MAX_PATHS
from emtnas_hpc.supernet.operations import Masks, draw_masks

pytestmark = pytest.mark.slow

SPECIAL = (
    "normal cells ignore x",
    "normal cells ignore x_prev",
    "reduction cells ignore x",
    "reduction cells ignore x_prev",
    "all cells ignore x",
    "both branches select one operation",
    "a chain has one output",
    "nothing but identities",
)
EXACT = {"rtol": 1e-9, "atol": 1e-10}


def assert_same_training(network, architecture, images, targets, masks) -> None:
    """Same logits, same gradients, same running statistics of what reaches the logits."""
    plain = plain_copy(network, architecture)
    path = network.path(architecture)
    logits = network(images, path, operations.training, masks)
    expected = plain(images, masks.features, masks.branches)
    torch.testing.assert_close(logits, expected, **EXACT)

    gradients = torch.autograd.grad(F.cross_entropy(logits, targets), path.parameters)
    F.cross_entropy(expected, targets).backward()
    names = {parameter: name for name, parameter in network.named_parameters()}
    by_name = {names[p]: g for p, g in zip(path.parameters, gradients, strict=True)}
    renamed = plain_names(by_name, architecture, network.shape)
    for name, parameter in plain.named_parameters():
        if name in renamed:
            torch.testing.assert_close(renamed[name], parameter.grad, **EXACT)
        else:
            assert parameter.grad is None, f"{name} reaches the logits"
    statistics = plain_names(dict(network.named_buffers()), architecture, network.shape)
    for name, buffer in plain.named_buffers():
        owner = name.rpartition(".")[0]
        if f"{owner}.weight" in renamed and name in statistics:
            torch.testing.assert_close(statistics[name], buffer, **EXACT)


@pytest.mark.parametrize("image_size", [8, 14, 28, 32])
@pytest.mark.parametrize(("n_normal", "image_channels"), [(1, 3), (2, 1)])
def test_training_equals_the_plain_network_for_random_architectures(
    image_size, n_normal, image_channels, shared_network, architecture, batch
):
    shape = NetworkShape(4, n_normal, image_channels, image_size, 5)
    network = shared_network(shape)
    images, targets = batch(shape, n=3)
    for number in range(2):
        assert_same_training(network, architecture(number), images, targets, Masks())


@pytest.mark.parametrize("image_size", [64, 57])
def test_training_equals_the_plain_network_with_a_strided_stem(
    image_size, shared_network, architecture, batch
):
    shape = NetworkShape(5, 1, 3, image_size, 5, stem="strided")
    images, targets = batch(shape, n=3)
    for number in range(2):
        network = shared_network(shape)
        assert_same_training(network, architecture(number), images, targets, Masks())


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("n_normal", [1, 2])
def test_training_equals_the_plain_network_for_architectures_that_are_seldom_drawn(
    name, n_normal, special, shared_network, batch, shape
):
    images, targets = batch()
    network = shared_network(replace(shape, n_normal=n_normal))
    assert_same_training(network, special[name], images, targets, Masks())


def test_training_equals_the_plain_network_with_dropout_and_drop_path(
    shared_network, architecture, batch, shape, generator
):
    network = shared_network()
    images, targets = batch()
    for number in range(3):
        masks = draw_masks(shape, len(images), generator, dropout=0.3, drop_path=0.4)
        assert_same_training(network, architecture(number), images, targets, masks)


def test_training_equals_the_plain_network_where_wide_tensors_take_the_detours(
    shared_network, special
):
    # 2 x 32 x 32 x 32 elements and more: weight gradients in strips, interleaved dilation.
    shape = NetworkShape(32, 1, 3, 32, 5)
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 32, 32, generator=rng, dtype=torch.float64)
    network = shared_network(shape)
    architecture = special["a chain has one output"]
    assert_same_training(network, architecture, images, torch.tensor([1, 2]), Masks())


@pytest.mark.parametrize("name", SPECIAL)
def test_inference_equals_the_plain_network(name, special, shared_network, batch):
    network, (images, _targets) = shared_network(), batch()
    path = network.path(special[name])
    with torch.no_grad():
        for _update in range(3):
            network(images, path, operations.training)
        plain = plain_copy(network, special[name]).eval()
        logits = network(images, path, operations.running)
        torch.testing.assert_close(logits, plain(images), **EXACT)


def test_a_branch_that_drop_path_drops_adds_nothing(shared_network, special, batch, shape):
    network, (images, _targets) = shared_network(), batch()
    path = network.path(special["a chain has one output"])
    branches = torch.ones(len(shape.cells), 5, 2)
    branches[-1, -1] = 0
    with torch.no_grad():
        dropped = network(images, path, operations.running, Masks(branches=branches))
    # The last cell's only output is zero, so every image gets the bias of its norm.
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))


@pytest.mark.parametrize("n_normal", [1, 2])
def test_a_stand_alone_network_with_the_supernets_weights_is_the_supernets_path(
    n_normal, shared_network, make_network, architecture, batch, shape
):
    supernet = shared_network(replace(shape, n_normal=n_normal))
    images, _targets = batch()
    for number in range(3):
        alone = make_network(supernet.shape, architecture(number), seed=1)
        shared = supernet.state_dict()
        alone.load_state_dict({name: shared[name] for name in alone.state_dict()})
        a = alone(images, alone.path(architecture(number)), operations.training)
        b = supernet(images, supernet.path(architecture(number)), operations.training)
        assert torch.equal(a, b)


def test_a_stand_alone_network_holds_nothing_but_its_architecture(make_network, special):
    network = make_network(architecture=special["both branches select one operation"])
    names = {name.split(".")[3] for name in network.state_dict() if name.startswith("cells.0.edge")}
    assert names == {"block0_input0_sep_3x3", "block1_input1_dil_3x3", "block2_input2_dil_1x1"}
    assert set(network.cells[0].output.slices) == {"1", "2", "3", "4"}


def test_a_stand_alone_network_refuses_another_architecture(make_network, architecture):
    network = make_network(architecture=architecture(0))
    with pytest.raises(InputError, match="runs the architecture that it was made for"):
        network.path(architecture(1))


def test_a_supernet_has_as_many_weights_as_the_authors(make_network, shape):
    network = make_network(replace(shape, channels=20, image_size=32, n_classes=10))
    assert len(list(network.parameters())) == 3052
    assert 2.76e6 < sum(p.numel() for p in network.parameters()) < 2.78e6


@pytest.mark.parametrize("image_size", [3, 4, 7])
def test_images_that_would_end_as_one_pixel_are_refused(make_network, shape, image_size):
    with pytest.raises(InputError, match=f"images of {image_size} pixels, expected at least 8"):
        make_network(replace(shape, image_size=image_size))


def test_images_of_which_a_strided_stem_leaves_too_little_are_refused(make_network, shape):
    with pytest.raises(InputError, match=r"images of 56 pixels, 7 behind the stem, expected at"):
        make_network(replace(shape, image_size=56, stem="strided"))


def test_a_mini_batch_of_one_smallest_image_has_statistics(make_network, architecture, shape):
    network = make_network(replace(shape, image_size=MIN_IMAGE_SIZE))
    image = torch.randn(1, shape.image_channels, MIN_IMAGE_SIZE, MIN_IMAGE_SIZE).double()
    assert network(image, network.path(architecture(0)), operations.training).isfinite().all()


def test_a_network_cannot_be_moved_or_cast(make_network):
    with pytest.raises(TypeError, match="stays where it is made"):
        make_network().to(torch.float32)


def test_activations_are_channels_last_for_images_of_either_layout_and_depth(make_network, shape):
    for image_channels in (1, 3):
        network = make_network(replace(shape, image_channels=image_channels))
        images = torch.randn(2, image_channels, 8, 8, dtype=torch.float64)
        for layout in (torch.contiguous_format, torch.channels_last):
            stem = network.stem(images.contiguous(memory_format=layout), operations.running).value
            assert stem.is_contiguous(memory_format=torch.channels_last)


def test_plans_are_made_once_and_the_oldest_leaves(make_network, architecture):
    network = make_network()
    first = network.path(architecture(0))
    assert network.path(architecture(0)) is first
    for number in range(1, MAX_PATHS + 1):
        network.path(architecture(number))
    assert len(network._paths) == MAX_PATHS
    assert network.path(architecture(0)) is not first


def test_the_plain_network_counts_what_space_counts(make_network, architecture, shape):
    from emtnas_hpc.space.counts import count_macs, count_parameters

    for number in range(3):
        for n_normal, image_size, stem in ((1, 8, "plain"), (2, 14, "plain"), (1, 60, "strided")):
            frame = replace(shape, n_normal=n_normal, image_size=image_size, stem=stem)
            network = make_network(frame, architecture(number))
            plain = plain_copy(network, architecture(number))
            counted = count_parameters(architecture(number), frame)
            assert counted == sum(p.numel() for p in network.parameters())
            assert counted == sum(p.numel() for p in plain.parameters())
            assert count_macs(architecture(number), frame) == macs_of(plain, frame)


def macs_of(plain, shape) -> int:
    """Multiply-adds of every convolution and linear layer that runs for one image."""
    total = 0

    def add(module, _inputs, output) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in plain.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(add)
    size = (1, shape.image_channels, shape.image_size, shape.image_size)
    plain.eval()(torch.zeros(size, dtype=torch.float64))
    return total
