"""An architecture as a network that a notebook can play with."""

import pytest
import torch

from emtnas_hpc.api import build_network
from emtnas_hpc.errors import InputError
from emtnas_hpc.evolution.random_streams import Purpose, torch_seed
from emtnas_hpc.space.architecture import NetworkShape
from emtnas_hpc.space.counts import count_parameters
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.network import Network

pytestmark = pytest.mark.slow

FRAME = {"classes": 5, "channels": 4, "normal_cells": 1, "image_channels": 1, "image_size": 8}


@pytest.fixture
def architecture(loaded):
    return loaded.incumbent("digits").architecture


def test_it_is_an_ordinary_module_that_learns(architecture):
    network = build_network(architecture, **FRAME)
    assert network.training
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images, before = torch.randn(4, 1, 8, 8), network.get_parameter("classifier.bias").clone()
    torch.nn.functional.cross_entropy(network(images), torch.arange(4)).backward()
    optimizer.step()
    assert not torch.equal(network.get_parameter("classifier.bias"), before)
    assert network.double().eval()(images.double()).dtype == torch.float64


def test_its_parameters_are_those_that_are_counted(architecture):
    shape = NetworkShape(4, 1, 1, 8, 5)
    network = build_network(architecture, **FRAME)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == count_parameters(architecture, shape)


def test_a_seed_gives_the_weights_that_a_network_of_ours_has(architecture):
    seed = torch_seed(3, 0, None, Purpose.RETRAINING_WEIGHTS)
    ours = Network(NetworkShape(4, 1, 1, 8, 5), architecture, torch.Generator().manual_seed(seed))
    images = torch.randn(4, 1, 8, 8)
    logits = build_network(architecture, **FRAME, seed=seed)(images)
    expected = ours(images, ours.path(architecture), operations.batch)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_torch_s_generator_is_not_touched(architecture):
    before = torch.get_rng_state()
    build_network(architecture, **FRAME)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_genotype_does_as_well(loaded):
    found = loaded.incumbent("digits")
    one, other = (build_network(a, **FRAME) for a in (found.architecture, found.genotype))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"channels": 0}, "channels is 0, expected 1 to"),
        ({"image_channels": 2}, "image_channels is 2, expected 1 or 3"),
        ({"image_size": 7}, "image_size is 7, expected at least 8 pixels for a plain stem"),
        (
            {"image_size": 32, "stem": "strided"},
            "image_size is 32, .* at least 57 pixels for a str",
        ),
        ({"stem": "other"}, "stem is 'other', expected 'plain' or 'strided'"),
    ],
)
def test_a_network_that_cannot_be_is_refused(architecture, changed, line):
    with pytest.raises(InputError, match=line):
        build_network(architecture, **{**FRAME, **changed})


def test_a_genotype_that_is_none_is_refused():
    with pytest.raises(InputError, match="genotype: found 1 cells"):
        build_network("nonsense", **FRAME)
