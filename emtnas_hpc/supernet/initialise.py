"""Initial weights, drawn from a generator that is handed in."""

import math

import torch
from torch import Tensor, nn

from emtnas_hpc.supernet.batch_norm import BatchNorm
from emtnas_hpc.supernet.convolution import Convolution
from emtnas_hpc.supernet.ends import Classifier


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fills a network's weights and statistics, in the order of its modules.

    Convolutions: Kaiming normal, fan-in, each C x C slice of a cell's output for itself. Batch
    norm: the identity. The linear layer: uniform within 1 / sqrt(fan-in), torch's own default.
    """
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.weight.fill_(1)
            module.running_var.fill_(1)
        elif isinstance(module, Convolution):
            fan_in = module.weight[0].numel()
            module.weight.copy_(_empty(module.weight, generator).normal_(generator=generator))
            module.weight.mul_(math.sqrt(2 / fan_in))
        elif isinstance(module, Classifier):
            bound = 1 / math.sqrt(module.weight.shape[1])
            for parameter in module.parameters():
                draw = _empty(parameter, generator)
                parameter.copy_(draw.uniform_(-bound, bound, generator=generator))


def _empty(parameter: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(parameter.shape, dtype=parameter.dtype, device=generator.device)
