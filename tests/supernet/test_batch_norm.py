import pytest
import torch

from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.operations import BatchNorm, Recalibration


@pytest.fixture
def norm() -> BatchNorm:
    norm = BatchNorm(3)
    with torch.no_grad():
        for tensor, values in (
            (norm.weight, [1.0, 2.0, 0.5]),
            (norm.bias, [0.0, -1.0, 1.0]),
            (norm.running_mean, [0.1, 0.2, 0.3]),
            (norm.running_var, [1.0, 4.0, 0.25]),
        ):
            tensor.copy_(torch.tensor(values))
    return norm


@pytest.fixture
def x(generator) -> torch.Tensor:
    return torch.randn(4, 3, 5, 5, generator=generator)


def torchs(norm: BatchNorm) -> torch.nn.BatchNorm2d:
    theirs = torch.nn.BatchNorm2d(3)
    theirs.load_state_dict(norm.state_dict(), strict=False)
    return theirs


def test_training_equals_torchs_and_moves_the_running_statistics_alike(norm, x):
    theirs = torchs(norm)
    assert torch.equal(operations.training(norm, x), theirs(x))
    assert torch.equal(norm.running_mean, theirs.running_mean)
    assert torch.equal(norm.running_var, theirs.running_var)


def test_running_equals_torchs_in_inference(norm, x):
    assert torch.equal(operations.running(norm, x), torchs(norm).eval()(x))


def test_batch_takes_its_own_statistics_and_stores_nothing(norm, x):
    before = norm.running_mean.clone(), norm.running_var.clone()
    assert torch.equal(operations.batch(norm, x), torchs(norm)(x))
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])


def test_recalibration_applies_the_mean_and_variance_that_it_measured(norm, x):
    own = Recalibration()
    assert torch.equal(own.measure(norm, x), operations.batch(norm, x))
    theirs = torchs(norm).eval()
    theirs.running_mean.copy_(x.mean(dim=(0, 2, 3)))
    theirs.running_var.copy_(x.var(dim=(0, 2, 3)))
    torch.testing.assert_close(own.apply(norm, x[:1]), theirs(x[:1]))
