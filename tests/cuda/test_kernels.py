"""Convolutions on a real card."""

import pytest
import torch
from torch.nn import functional as F

from emtnas_hpc.supernet import device
from emtnas_hpc.supernet.convolutions import pointwise
from emtnas_hpc.supernet.device import Kernels, prepare_torch

SIZES = [(8, 20, 32, 32), (8, 40, 16, 16), (8, 80, 8, 8), (4, 48, 28, 28), (3, 5, 13, 7)]
KERNELS = [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)]


@pytest.fixture(autouse=True)
def as_chosen():
    before = device.in_use()
    yield
    device.use(before)


def draw(size, seed):
    x = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "dilation"), KERNELS)
def test_depthwise_convolutions_are_right_and_the_same_every_time(size, kernel, dilation, cuda):
    if prepare_torch(1, cuda):
        pytest.skip("Triton cannot be used on this card; the line of a run says why")
    from emtnas_hpc.supernet.depthwise_triton import MOST_ERROR, depthwise

    channels, padding = size[1], dilation * (kernel // 2)
    x, gradient, weight = draw(size, 0), draw(size, 1), draw((channels, 1, kernel, kernel), 2)
    ways = []
    for _time in range(2):
        ours = x.to(cuda).requires_grad_(), weight.to(cuda).requires_grad_()
        out = depthwise(*ours, dilation)
        ways.append([out.detach(), *torch.autograd.grad(out, ours, gradient.to(cuda))])
    assert all(torch.equal(a, b) for a, b in zip(*ways, strict=True))
    exact = x.double().requires_grad_(), weight.double().requires_grad_()
    value = F.conv2d(*exact, padding=padding, dilation=dilation, groups=channels)
    expected = value.detach(), *torch.autograd.grad(value, exact, gradient.double())
    for found, wanted in zip(ways[0], expected, strict=True):
        error = (found.cpu().double() - wanted).abs().max() / wanted.abs().max()
        assert error <= MOST_ERROR


def test_a_matrix_product_is_the_pointwise_convolution_in_full_float32(cuda):
    prepare_torch(1, cuda, "fp32")
    x, weight = draw((8, 20, 16, 16), 0), draw((12, 20, 1, 1), 1)
    expected = F.conv2d(x.double(), weight.double())
    for way in ("cublas", "cudnn"):
        device.use(Kernels(pointwise=way))
        found = pointwise(x.to(cuda), weight.to(cuda)).cpu().double()
        assert (found - expected).abs().max() / expected.abs().max() <= 1e-6


def test_precision_is_what_was_asked_for(cuda):
    a, b = (torch.randn(512, 512, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    exact = a.double() @ b.double()
    errors = {}
    for precision in ("tf32", "fp32"):
        prepare_torch(1, cuda, precision)
        found = (a.to(cuda) @ b.to(cuda)).cpu().double()
        errors[precision] = float((found - exact).abs().max() / exact.abs().max())
    assert errors["fp32"] <= 1e-6
    assert (errors["tf32"] > 1e-5) == device.has_tf32(cuda)
