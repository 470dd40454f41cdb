"""Convolutions without bias, each by what computes it fastest on the device.

oneDNN has a fast kernel for the weight gradient of a depthwise convolution, but only up to three
columns and not for kernels taller than the image; otherwise it is 5 to 100 times slower, and
dilation is slower still (channels_last, one AVX2 thread, 128 x 20 x 32 x 32: 7x7 25 ms, 7x3 3 ms).
So on a CPU wide kernels are differentiated in strips of columns, and dilation is done away with.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from emtnas_hpc.supernet import device


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """A 1x1 convolution: maps `(n, in, h, w)` with `(out, in, 1, 1)` to `(n, out, h, w)`."""
    if x.device.type == "cuda" and device.in_use().pointwise == "cublas":
        # In channels_last it is a plain matrix product, of (n h w, in) by (in, out).
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
    return F.conv2d(x, weight)


class Convolution(nn.Module):
    """A convolution padded by half its kernel; `weight` is `(out, in / groups, kernel, kernel)`."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 1, *, groups: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in // groups, kernel, kernel))
        self.groups = groups
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, in, h, w)` to `(n, out, h / stride, w / stride)`, rounded up."""
        if self.weight.shape[-1] == 1 and self.groups == self.stride == 1:
            return pointwise(x, self.weight)
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, stride=self.stride, padding=padding, groups=self.groups)


#: Columns of a kernel up to which oneDNN is fast.
MAX_COLUMNS = 3


class Depthwise(Convolution):
    """A depthwise convolution that keeps the resolution."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__(n_channels, n_channels, kernel, groups=n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, channels, height, width)` to the same shape."""
        if not strips_pay(x, self.weight.shape[-1]):
            return convolve(x, self.weight)
        out: Tensor = _Strips.apply(x, self.weight)
        return out


class DilatedDepthwise(Depthwise):
    """A depthwise convolution of dilation 2.

    On the CPU, where it is to be differentiated, it is a dense one on the four interleaved
    sub-images of every image.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, channels, height, width)` to the same shape."""
        if x.device.type == "cpu" and torch.is_grad_enabled():
            return join(super().forward(split(x)), x.shape)
        return convolve(x, self.weight, dilation=2)


def convolve(x: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """A depthwise convolution that keeps the resolution, by Triton where that was chosen.

    Args:
        x: `(n, channels, height, width)`.
        weight: `(channels, 1, k, k)`.
        dilation: distance of the kernel's cells.
    """
    if x.device.type == "cuda" and device.in_use().depthwise == "triton":
        # Triton is imported where it has been chosen, and nowhere else.
        from emtnas_hpc.supernet import depthwise_triton

        if depthwise_triton.fits(x, weight):
            return depthwise_triton.depthwise(x, weight, dilation)
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=len(weight))


def strips_pay(x: Tensor, kernel: int) -> bool:
    """Whether the weight gradient for this input is worth the detour over strips."""
    if x.device.type != "cpu" or not torch.is_grad_enabled():
        return False
    return kernel > min(x.shape[2:]) or (kernel > MAX_COLUMNS and x.numel() >= 2**16)


class _Strips(torch.autograd.Function):
    """A depthwise convolution whose weight gradient is computed in strips of columns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        kernel, padding = weight.shape[-1], [weight.shape[-1] // 2] * 2
        # torch.nn.grad.conv2d_input loses the memory format, and with it two thirds of the speed.
        to_x, _to_weight, _to_bias = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            None,
            [1, 1],
            padding,
            [1, 1],
            False,
            [0, 0],
            x.shape[1],
            [True, False, False],
        )
        return to_x, weight_gradient(x, gradient, kernel)


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """The gradient of a depthwise kernel.

    Args:
        x: what was convolved, `(n, c, h, w)`.
        gradient: of the result, of the same shape.
        kernel: 3, 5 or 7.

    Returns:
        `(c, 1, kernel, kernel)`.
    """
    height, width = x.shape[2:]
    if min(height, width) < kernel:
        grow = (0, max(kernel - width, 0), 0, max(kernel - height, 0))
        x, gradient = F.pad(x, grow), F.pad(gradient, grow)
    if kernel == MAX_COLUMNS:
        return _strip(x, gradient, kernel, kernel, padding=kernel // 2)
    margin = kernel // 2
    left = _strip(F.pad(x, (margin, 2 - margin)), gradient, kernel, MAX_COLUMNS)
    right = _strip(F.pad(x, (2 - margin, margin)), gradient, kernel, MAX_COLUMNS)
    if kernel < 2 * MAX_COLUMNS:
        return torch.cat([left, right[..., 2 * MAX_COLUMNS - kernel :]], dim=3)
    middle = _strip(x, gradient, kernel, kernel - 2 * MAX_COLUMNS)
    return torch.cat([left, middle, right], dim=3)


def _strip(x: Tensor, gradient: Tensor, rows: int, columns: int, *, padding: int = 0) -> Tensor:
    c = x.shape[1]
    size, around = (c, 1, rows, columns), (rows // 2, padding)
    to_weight: Tensor = conv2d_weight(x, size, gradient, padding=around, groups=c)  # type: ignore[no-untyped-call]
    return to_weight


def split(x: Tensor) -> Tensor:
    """Takes `(n, c, h, w)` apart into its 2x2 interleaved sub-images, `(4n, c, h/2, w/2)`.

    Odd sizes get a row or column of zeros, which is what the convolution pads with anyway.
    """
    height, width = x.shape[2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2))
    n, c, height, width = x.shape
    pairs = x.permute(0, 2, 3, 1).reshape(n, height // 2, 2, width // 2, 2, c)
    parts = pairs.permute(2, 4, 0, 1, 3, 5).reshape(4 * n, height // 2, width // 2, c)
    return parts.permute(0, 3, 1, 2)


def join(parts: Tensor, shape: torch.Size) -> Tensor:
    """Puts the sub-images of `split` together again, as a tensor of the given shape."""
    n, c, height, width = shape
    half_height, half_width = parts.shape[2:]
    pairs = parts.permute(0, 2, 3, 1).reshape(2, 2, n, half_height, half_width, c)
    whole = pairs.permute(2, 3, 0, 4, 1, 5).reshape(n, 2 * half_height, 2 * half_width, c)
    return whole[:, :height, :width].permute(0, 3, 1, 2)
