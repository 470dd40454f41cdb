"""Batch norm, and whose statistics it uses: a choice of the caller, made anew for every pass."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.1
EPSILON = 1e-5

#: Whose statistics an evaluation uses: the individual's own from training images, those of every
#: evaluated batch itself, or the shared running ones. A setting has the same three values, defined
#: where it is read: neither of the two packages may import the other.
BatchNormMode = Literal["recalibrated", "batch", "running"]


class BatchNorm(nn.Module):
    """The weights and shared running statistics of one batch norm; all are `(n_channels,)`."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_channels))
        self.bias = nn.Parameter(torch.empty(n_channels))
        self.register_buffer("running_mean", torch.empty(n_channels))
        self.register_buffer("running_var", torch.empty(n_channels))


#: How to normalise `(n, channels, height, width)` with a batch norm's weights.
Normalise = Callable[[BatchNorm, Tensor], Tensor]


def training(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the batch's own statistics and moves the shared running ones toward them."""
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, True, MOMENTUM, EPSILON
    )


def running(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the shared running statistics, as the authors' code evaluates."""
    return F.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, MOMENTUM, EPSILON
    )


def batch(norm: BatchNorm, x: Tensor) -> Tensor:
    """Uses the batch's own statistics and stores nothing."""
    return F.batch_norm(x, None, None, norm.weight, norm.bias, True, MOMENTUM, EPSILON)


class Recalibration:
    """An individual's own statistics, kept beside the network, which stays as it is.

    One pass with `measure` over a batch of training images, then any number with `apply`.
    """

    def __init__(self) -> None:
        self._statistics: dict[BatchNorm, tuple[Tensor, Tensor]] = {}

    def measure(self, norm: BatchNorm, x: Tensor) -> Tensor:
        """Normalises by the batch's own statistics and remembers them."""
        mean, var = torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)
        # With a momentum of one, torch's running statistics are this batch's.
        out = F.batch_norm(x, mean, var, norm.weight, norm.bias, True, 1.0, EPSILON)
        self._statistics[norm] = mean, var
        return out

    def apply(self, norm: BatchNorm, x: Tensor) -> Tensor:
        """Normalises by the remembered statistics."""
        mean, var = self._statistics[norm]
        return F.batch_norm(x, mean, var, norm.weight, norm.bias, False, MOMENTUM, EPSILON)
