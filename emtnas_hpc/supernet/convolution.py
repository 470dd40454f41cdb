"""A convolution without bias."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.supernet import kernels


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """A 1x1 convolution: maps `(n, in, h, w)` with `(out, in, 1, 1)` to `(n, out, h, w)`."""
    if x.device.type == "cuda" and kernels.in_use().pointwise == "cublas":
        # In channels_last it is a plain matrix product, of (n h w, in) by (in, out).
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
    return F.conv2d(x, weight)


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
        if self.weight.shape[-1] == 1 and self.groups == self.stride == 1:
            return pointwise(x, self.weight)
        padding = self.weight.shape[-1] // 2
        return F.conv2d(x, self.weight, stride=self.stride, padding=padding, groups=self.groups)
