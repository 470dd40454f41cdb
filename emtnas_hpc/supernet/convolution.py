"""A convolution without bias."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """A convolution padded by half its kernel; `weight` is `(out, in / groups, kernel, kernel)`."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int = 1, groups: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in // groups, kernel, kernel))
        self.groups = groups
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, in, h, w)` to `(n, out, h / stride, w / stride)`, rounded up."""
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, stride=self.stride, padding=padding, groups=self.groups)
