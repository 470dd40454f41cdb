"""SGD over the weights in use only: nothing else decays, and no other momentum moves."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from emtnas_hpc.supernet import flat
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.path import SampledPath

FUSED_DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True)
class SgdSettings:
    """Momentum, its kind, and weight decay (Table 1 of the paper; Nesterov is not in it)."""

    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4


class Sgd:
    """Stochastic gradient descent that steps on one individual's weights at a time.

    A momentum buffer starts at zero, which makes the first step equal to torch's, and keeps its
    value until its weight is next used.
    """

    def __init__(self, network: Network, settings: SgdSettings) -> None:
        self._settings = settings
        self.momentum = torch.zeros_like(network.weights)
        self._buffers: dict[nn.Parameter, Tensor] = {
            parameter: flat.view(self.momentum, offset, shape)
            for parameter, (_name, offset, shape) in zip(
                network.parameters(), network.weights_layout, strict=True
            )
        }
        self._fused = network.weights.device.type in FUSED_DEVICES

    @torch.no_grad()
    def step(
        self, path: SampledPath, gradients: Sequence[Tensor], learning_rate: float | Tensor
    ) -> None:
        """Steps on a path's parameters.

        Args:
            path: whose parameters to move.
            gradients: one a parameter, in the order of the path's.
            learning_rate: of this step.
        """
        sgd(
            list(path.parameters),
            [_laid_out(gradient) for gradient in gradients],
            [self._buffers[parameter] for parameter in path.parameters],
            foreach=False,
            fused=self._fused,
            weight_decay=self._settings.weight_decay,
            momentum=self._settings.momentum,
            lr=learning_rate,
            dampening=0,
            nesterov=self._settings.nesterov,
            maximize=False,
        )


def _laid_out(gradient: Tensor) -> Tensor:
    """The gradient in the memory order of its parameter, which the fused kernel takes on trust."""
    if gradient.dim() == 4:
        return gradient.contiguous(memory_format=torch.channels_last)
    return gradient.contiguous()
