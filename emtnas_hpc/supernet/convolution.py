"""Convolutions without bias, and the way around torch's slow dilated depthwise ones."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """A convolution that keeps the resolution; `weight` is `(out, in / groups, kernel, kernel)`."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in // groups, kernel, kernel))
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, in, height, width)` to `(n, out, height, width)`."""
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2, groups=self.groups)


class DilatedDepthwise(Convolution):
    """A depthwise convolution of dilation 2.

    Args:
        n_channels: channels in and out.
        kernel: edge of the stored kernel.
        interleave: compute it as a dense convolution on the four interleaved sub-images.
    """

    def __init__(self, n_channels: int, kernel: int, interleave: bool) -> None:
        super().__init__(n_channels, n_channels, kernel, groups=n_channels)
        self.interleave = interleave

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, channels, height, width)` to the same shape."""
        if self.interleave:
            return join(super().forward(split(x)), x.shape)
        padding = self.weight.shape[-1] - 1
        return F.conv2d(x, self.weight, padding=padding, dilation=2, groups=self.groups)


def pays_to_interleave(n_channels: int, size: int, device: torch.device) -> bool:
    """Whether the detour over sub-images is the faster one, as measured on an AVX2 CPU."""
    return device.type == "cpu" and n_channels >= 16 and size >= 16


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
