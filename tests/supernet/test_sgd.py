import pytest
import torch
from torch.nn import functional as F

from emtnas_hpc.supernet import operations, weights
from emtnas_hpc.supernet.training import Sgd, SgdSettings, Training


@pytest.mark.parametrize(
    "settings",
    [SgdSettings(), SgdSettings(nesterov=False), SgdSettings(0.0, False, 0.0), SgdSettings(0.5)],
)
def test_steps_on_one_path_equal_those_of_torchs_sgd(settings, make_network, architecture, batch):
    ours, theirs = (make_network(architecture=architecture(0)) for _network in range(2))
    training = Training(ours, settings)
    path, twin = ours.path(architecture(0)), theirs.path(architecture(0))
    optimizer = torch.optim.SGD(
        twin.parameters,
        lr=0.1,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )
    for step in range(4):
        images, targets = batch(seed=step)
        training.step(path, images, targets, 0.1 / (step + 1))
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimizer.zero_grad()
        F.cross_entropy(theirs(images, twin, operations.training), targets).backward()
        optimizer.step()
    torch.testing.assert_close(ours.weights, theirs.weights, rtol=1e-12, atol=1e-14)


def test_unsampled_weights_momenta_and_statistics_do_not_move(make_network, architecture, batch):
    network = make_network(dtype=torch.float32)
    training = Training(network, SgdSettings())
    images, targets = batch(dtype=torch.float32)
    training.step(network.path(architecture(1)), images, targets, 0.1)
    before = {
        name: value.clone()
        for name, value in training.state().items()
        if value is not None and isinstance(value, torch.Tensor)
    }
    path = network.path(architecture(0))
    for _step in range(3):
        training.step(path, images, targets, 0.1)
    used = {*map(id, path.parameters)}
    norms = {
        name
        for name, module in network.named_modules()
        if isinstance(module, operations.BatchNorm) and id(module.weight) in used
    }
    state = training.state()
    named = dict(network.named_parameters())
    for name, offset, shape in state["weights_layout"]:
        for what in ("weights", "momentum"):
            now, then = (weights.view(s[what], offset, shape) for s in (state, before))
            assert torch.equal(now, then) == (id(named[name]) not in used), (what, name)
    for name, offset, shape in state["statistics_layout"]:
        now, then = (weights.view(s["statistics"], offset, shape) for s in (state, before))
        assert torch.equal(now, then) == (name.rpartition(".")[0] not in norms), name


def test_gradients_of_any_memory_format_step_alike(make_network, architecture, batch):
    images, targets = batch()
    after = []
    for layout in (torch.channels_last, torch.contiguous_format):
        network = make_network(architecture=architecture(0))
        path = network.path(architecture(0))
        loss = F.cross_entropy(network(images, path, operations.batch), targets)
        gradients = [
            g.contiguous(memory_format=layout) if g.dim() == 4 else g
            for g in torch.autograd.grad(loss, path.parameters)
        ]
        Sgd(network, SgdSettings()).step(path, gradients, 0.1)
        after.append(network.weights)
    assert torch.equal(*after)
