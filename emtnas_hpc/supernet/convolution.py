"""A convolution without bias."""

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
