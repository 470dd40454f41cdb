"""Depthwise convolutions for CUDA as Triton kernels: float32, NHWC, the same bits every time.

cuDNN takes up to 30 times as long for gradients of wide and dilated kernels (H200, weight gradient
of 128 x 20 x 32 x 32: 7x7 1104 us and 56 here, 3x3 dilated 340 and 19). Every program owns what it
writes, and the partial sums of a weight gradient are added in a second pass, so nothing depends on
the order in which programs run.

With TRITON_INTERPRET=1 set before this module is imported, the kernels run on a CPU.
"""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

#: Values of a tile (columns x channels) that a program holds in registers, and the widest tile.
_TILE = 2048
_MOST_COLUMNS = 64

#: Rows and warps a program, the fastest of those tried on an H200.
_ROWS, _WARPS = 2, 2
_MOST_GRADIENT_ROWS, _GRADIENT_WARPS = 32, 4

#: Offsets within a tensor are 32-bit integers.
_MOST_VALUES = 2**31 - 1

#: Relative to the largest value, against float64.
MOST_ERROR = 1e-6


def fits(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernels take such tensors: float32, not too many values, up to 7x7."""
    return (
        x.dtype == torch.float32
        and weight.dtype == torch.float32
        and x.numel() <= _MOST_VALUES
        and weight.shape[-1] in (3, 5, 7)
    )


def depthwise(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """A depthwise convolution that keeps the resolution; may be differentiated once.

    Args:
        x: `(n, channels, height, width)`.
        weight: `(channels, 1, k, k)`, k odd.
        dilation: distance of the kernel's cells.

    Returns:
        The shape of `x`, in channels_last.
    """
    out: Tensor = _Depthwise.apply(x, weight, dilation)
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return convolve(x, weight, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            to_x = convolve(gradient, weight, ctx.dilation, mirrored=True)
        if ctx.needs_input_grad[1]:
            to_weight = weight_gradient(x, gradient, weight.shape[-1], ctx.dilation)
        return to_x, to_weight, None


def convolve(x: Tensor, weight: Tensor, dilation: int, *, mirrored: bool = False) -> Tensor:
    """Convolves `(n, c, h, w)` in channels_last with `(c, 1, k, k)`; zeros lie around an image.

    Args:
        x: the images.
        weight: one kernel a channel.
        dilation: distance of the kernel's cells.
        mirrored: turn the kernels by 180 degrees, which makes it the gradient of the images.
    """
    n, channels, height, width = x.shape
    out = torch.empty_like(x, memory_format=torch.channels_last)
    columns, lanes = _tile(width, channels)
    grid = (
        triton.cdiv(n * height, _ROWS),
        triton.cdiv(width, columns),
        triton.cdiv(channels, lanes),
    )
    _convolve[grid](
        *(x, weight.contiguous(), out, n * height, height, width),
        channels,
        weight.shape[-1],
        dilation,
        mirrored,
        columns,
        lanes,
        _ROWS,
        num_warps=_WARPS,
    )
    return out


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, dilation: int) -> Tensor:
    """The gradient of the kernels, `(c, 1, k, k)`.

    Args:
        x: the images, `(n, c, h, w)` in channels_last.
        gradient: of what they were convolved to, likewise.
        kernel: edge of the kernels, at most 7.
        dilation: distance of their cells.
    """
    n, channels, height, width = x.shape
    columns, lanes = _tile(width, channels)
    rows = min(triton.next_power_of_2(height), _MOST_GRADIENT_ROWS)
    n_parts, n_columns = triton.cdiv(n * height, rows), triton.cdiv(width, columns)
    sums = x.new_empty((n_parts * n_columns, kernel, kernel, channels))
    grid = (n_parts * n_columns, kernel, triton.cdiv(channels, lanes))
    _sum_products[grid](
        *(x, gradient, sums, n * height, height, width, n_columns),
        channels,
        kernel,
        dilation,
        columns,
        lanes,
        rows,
        num_warps=_GRADIENT_WARPS,
    )
    return sums.sum(0).permute(2, 0, 1).unsqueeze(1)


def trial(device: torch.device) -> float:
    """The largest relative error of small convolutions and their gradients against float64."""
    rng = torch.Generator().manual_seed(0)
    errors = []
    for kernel, dilation in ((7, 1), (3, 2)):
        x, gradient = (torch.randn(2, 5, 3, 4, generator=rng) for _tensor in range(2))
        weight = torch.randn(5, 1, kernel, kernel, generator=rng)
        found = _with_gradients(
            x.to(device), weight.to(device), gradient.to(device), depthwise, dilation=dilation
        )
        expected = _with_gradients(
            x.double(), weight.double(), gradient.double(), _reference, dilation=dilation
        )
        for ours, theirs in zip(found, expected, strict=True):
            errors.append(float((ours.cpu().double() - theirs).abs().max() / theirs.abs().max()))
    return max(errors)


def _with_gradients(
    x: Tensor,
    weight: Tensor,
    gradient: Tensor,
    convolution: Callable[[Tensor, Tensor, int], Tensor],
    *,
    dilation: int,
) -> tuple[Tensor, ...]:
    inputs = x.requires_grad_(), weight.requires_grad_()
    out = convolution(*inputs, dilation)
    return out.detach(), *torch.autograd.grad(out, inputs, gradient)


def _reference(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, padding=padding, dilation=dilation, groups=len(weight))


def _tile(width: int, channels: int) -> tuple[int, int]:
    """Columns and channels of a program, powers of two: whole rows where registers hold them."""
    columns = min(triton.next_power_of_2(width), _MOST_COLUMNS)
    return columns, min(triton.next_power_of_2(channels), _TILE // columns)


@triton.jit
def _convolve(
    x,
    weight,
    out,
    n_rows,
    height,
    width,
    channels: tl.constexpr,
    kernel: tl.constexpr,
    dilation: tl.constexpr,
    mirrored: tl.constexpr,
    columns: tl.constexpr,
    lanes: tl.constexpr,
    rows: tl.constexpr,
):
    """Some rows of all images, some columns and channels of them."""
    column = tl.program_id(1) * columns + tl.arange(0, columns)
    channel = tl.program_id(2) * lanes + tl.arange(0, lanes)
    is_channel = channel < channels
    for r in range(rows):
        row = tl.program_id(0) * rows + r
        h = row % height
        total = tl.zeros((columns, lanes), tl.float32)
        for i in tl.static_range(kernel):
            shift = (i - kernel // 2) * dilation
            is_row = (row < n_rows) & (h + shift >= 0) & (h + shift < height)
            for j in tl.static_range(kernel):
                seen = column + (j - kernel // 2) * dilation
                is_seen = is_row & ((seen >= 0) & (seen < width))[:, None] & is_channel[None, :]
                at = ((row + shift) * width + seen)[:, None] * channels + channel[None, :]
                values = tl.load(x + at, mask=is_seen, other=0.0)
                cell = kernel * kernel - 1 - (i * kernel + j) if mirrored else i * kernel + j
                weights = tl.load(
                    weight + channel * kernel * kernel + cell, mask=is_channel, other=0.0
                )
                total += values * weights[None, :]
        is_mine = (row < n_rows) & (column < width)[:, None] & is_channel[None, :]
        at = (row * width + column)[:, None] * channels + channel[None, :]
        tl.store(out + at, total, mask=is_mine)


@triton.jit
def _sum_products(
    x,
    gradient,
    sums,
    n_rows,
    height,
    width,
    n_columns,
    channels: tl.constexpr,
    kernel: tl.constexpr,
    dilation: tl.constexpr,
    columns: tl.constexpr,
    lanes: tl.constexpr,
    rows: tl.constexpr,
):
    """One row of every kernel, summed over some rows of all images and some of their columns."""
    part = tl.program_id(0)
    i = tl.program_id(1)
    column = (part % n_columns) * columns + tl.arange(0, columns)
    channel = tl.program_id(2) * lanes + tl.arange(0, lanes)
    is_channel = channel < channels
    # One sum a column of the kernel, each in registers: Triton has no lists of tensors.
    sum0 = tl.zeros((columns, lanes), tl.float32)
    sum1 = tl.zeros((columns, lanes), tl.float32)
    sum2 = tl.zeros((columns, lanes), tl.float32)
    sum3 = tl.zeros((columns, lanes), tl.float32)
    sum4 = tl.zeros((columns, lanes), tl.float32)
    sum5 = tl.zeros((columns, lanes), tl.float32)
    sum6 = tl.zeros((columns, lanes), tl.float32)
    for r in range(rows):
        row = (part // n_columns) * rows + r
        h = row % height
        shift = (i - kernel // 2) * dilation
        is_row = (row < n_rows) & (h + shift >= 0) & (h + shift < height)
        is_mine = is_row & (column < width)[:, None] & is_channel[None, :]
        at = (row * width + column)[:, None] * channels + channel[None, :]
        wanted = tl.load(gradient + at, mask=is_mine, other=0.0)
        for j in tl.static_range(kernel):
            seen = column + (j - kernel // 2) * dilation
            is_seen = is_row & ((seen >= 0) & (seen < width))[:, None] & is_channel[None, :]
            at = ((row + shift) * width + seen)[:, None] * channels + channel[None, :]
            product = wanted * tl.load(x + at, mask=is_seen, other=0.0)
            if j == 0:
                sum0 += product
            elif j == 1:
                sum1 += product
            elif j == 2:
                sum2 += product
            elif j == 3:
                sum3 += product
            elif j == 4:
                sum4 += product
            elif j == 5:
                sum5 += product
            else:
                sum6 += product
    to = sums + (part * kernel + i) * kernel * channels + channel
    tl.store(to, tl.sum(sum0, 0), mask=is_channel)
    tl.store(to + channels, tl.sum(sum1, 0), mask=is_channel)
    tl.store(to + 2 * channels, tl.sum(sum2, 0), mask=is_channel)
    if kernel > 3:
        tl.store(to + 3 * channels, tl.sum(sum3, 0), mask=is_channel)
        tl.store(to + 4 * channels, tl.sum(sum4, 0), mask=is_channel)
    if kernel > 5:
        tl.store(to + 5 * channels, tl.sum(sum5, 0), mask=is_channel)
        tl.store(to + 6 * channels, tl.sum(sum6, 0), mask=is_channel)
