import math
from dataclasses import replace

import pytest
import torch

from emtnas_hpc.supernet.convolutions import Convolution
from emtnas_hpc.supernet.operations import BatchNorm

pytestmark = pytest.mark.slow


def test_convolutions_are_kaiming_normal_by_fan_in_of_what_is_stored(make_network, shape):
    network = make_network(replace(shape, channels=16))
    by_fan_in: dict[int, list[torch.Tensor]] = {}
    for module in network.modules():
        if isinstance(module, Convolution):
            by_fan_in.setdefault(module.weight[0].numel(), []).append(module.weight.flatten())
    # Depthwise 1, 3, 5, 7; stem 27; slices and pointwise 16, 32, 64.
    assert set(by_fan_in) == {1, 9, 25, 49, 27, 16, 32, 64}
    for fan_in, weights in by_fan_in.items():
        values = torch.cat(weights)
        spread = values.std().item() / math.sqrt(2 / fan_in)
        assert abs(spread - 1) < 5 / math.sqrt(len(values))
        assert abs(values.mean().item()) < 5 * math.sqrt(2 / fan_in / len(values))


def test_batch_norm_begins_as_the_identity(make_network):
    norms = [m for m in make_network().modules() if isinstance(m, BatchNorm)]
    assert len(norms) > 800
    for norm in norms:
        assert (norm.weight == 1).all()
        assert not norm.bias.any()
        assert not norm.running_mean.any()
        assert (norm.running_var == 1).all()


def test_the_linear_layer_is_uniform_within_one_over_the_root_of_its_fan_in(make_network, shape):
    classifier = make_network(replace(shape, n_classes=100)).classifier
    values = torch.cat([classifier.weight.flatten(), classifier.bias])
    assert 0.24 < values.abs().max().item() <= 0.25
    assert abs(values.std().item() - 0.25 / math.sqrt(3)) < 0.01


def test_equal_generators_make_equal_networks(make_network):
    assert torch.equal(make_network().weights, make_network().weights)
    assert not torch.equal(make_network().weights, make_network(seed=1).weights)


def test_weights_are_drawn_independently(make_network):
    network = make_network()
    slices = network.cells[0].output.slices
    assert not torch.equal(slices["0"].weight, slices["1"].weight)
