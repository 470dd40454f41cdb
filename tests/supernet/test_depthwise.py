import pytest
import torch
from torch.nn import functional as F

from emtnas_hpc.supernet.convolutions import (
    Convolution,
    Depthwise,
    DilatedDepthwise,
    join,
    split,
    strips_pay,
)

EXACT = {"rtol": 1e-10, "atol": 1e-10}


def draw(*size: int, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(size, generator=rng, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last)


def with_weights(module: Convolution) -> Convolution:
    module.weight = torch.nn.Parameter(draw(*module.weight.shape, seed=1))
    return module


@pytest.mark.parametrize("size", [(3, 3), (2, 2), (1, 1), (4, 4), (7, 7), (8, 5), (5, 8)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_a_depthwise_convolution_equals_torchs_in_value_and_gradients(kernel, size):
    module = with_weights(Depthwise(6, kernel))
    x, gradient = draw(4, 6, *size).requires_grad_(), draw(4, 6, *size, seed=2)
    expected = F.conv2d(x, module.weight, padding=kernel // 2, groups=6)
    torch.testing.assert_close(module(x), expected, **EXACT)
    wanted = torch.autograd.grad(expected, (x, module.weight), gradient)
    found = torch.autograd.grad(module(x), (x, module.weight), gradient)
    torch.testing.assert_close(found, wanted, **EXACT)


@pytest.mark.parametrize("kernel", [5, 7])
def test_the_weight_gradient_in_strips_equals_torchs_on_large_tensors(kernel):
    module = with_weights(Depthwise(16, kernel))
    x, gradient = draw(16, 16, 16, 17).requires_grad_(), draw(16, 16, 16, 17, seed=2)
    assert strips_pay(x, kernel)
    expected = F.conv2d(x, module.weight, padding=kernel // 2, groups=16)
    wanted = torch.autograd.grad(expected, (x, module.weight), gradient)
    found = torch.autograd.grad(module(x), (x, module.weight), gradient)
    torch.testing.assert_close(found, wanted, **EXACT)


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (3, 3), (2, 2), (1, 1), (6, 9)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_dilated_convolution_equals_torchs_in_value_and_gradients(kernel, size):
    module = with_weights(DilatedDepthwise(6, kernel))
    x, gradient = draw(4, 6, *size).requires_grad_(), draw(4, 6, *size, seed=2)
    expected = F.conv2d(x, module.weight, padding=kernel - 1, dilation=2, groups=6)
    torch.testing.assert_close(module(x), expected, **EXACT)
    wanted = torch.autograd.grad(expected, (x, module.weight), gradient)
    found = torch.autograd.grad(module(x), (x, module.weight), gradient)
    torch.testing.assert_close(found, wanted, **EXACT)
    with torch.no_grad():
        torch.testing.assert_close(module(x), expected.detach(), **EXACT)


def test_sub_images_are_joined_to_the_image_that_they_were_split_from():
    for size in ((4, 6), (5, 7), (1, 1)):
        x = draw(3, 2, *size)
        parts = split(x)
        assert parts.shape == (12, 2, -(-size[0] // 2), -(-size[1] // 2))
        assert parts.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(join(parts, x.shape), x)
