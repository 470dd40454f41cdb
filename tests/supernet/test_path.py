import pytest
import torch

from emtnas_hpc.supernet import operations


def test_a_path_holds_exactly_the_parameters_that_get_a_gradient(shared_network, special, batch):
    network, (images, _targets) = shared_network(), batch()
    for name, architecture in special.items():
        path = network.path(architecture)
        logits = network(images, path, operations.batch)
        everything = list(network.parameters())
        gradients = torch.autograd.grad(logits.sum(), everything, allow_unused=True)
        reached = [p for p, g in zip(everything, gradients, strict=True) if g is not None]
        assert {*map(id, reached)} == {*map(id, path.parameters)}, name
        assert len(path.parameters) == len(reached), name


def test_random_paths_hold_exactly_the_parameters_that_get_a_gradient(
    shared_network, architecture, batch
):
    network, (images, _targets) = shared_network(), batch()
    for number in range(12):
        path = network.path(architecture(number))
        logits = network(images, path, operations.batch)
        everything = list(network.parameters())
        gradients = torch.autograd.grad(logits.sum(), everything, allow_unused=True)
        reached = {id(p) for p, g in zip(everything, gradients, strict=True) if g is not None}
        assert reached == {*map(id, path.parameters)}


@pytest.mark.parametrize(
    ("name", "silent"),
    [
        ("normal cells ignore x", ["cells.3.output.norm"]),
        ("reduction cells ignore x_prev", ["cells.1.project_x_prev.norm"]),
        ("all cells ignore x", ["cells.3.output.norm", "cells.1.output.norm"]),
    ],
)
def test_what_does_not_reach_the_logits_does_not_run(name, silent, special, make_network, batch):
    network, (images, _targets) = make_network(), batch()
    before = network.statistics.clone()
    network(images, network.path(special[name]), operations.training)
    assert not torch.equal(network.statistics, before)
    for module in silent:
        norm = network.get_submodule(module)
        assert not norm.running_mean.any()
        assert torch.equal(norm.running_var, torch.ones_like(norm.running_var))
