"""Sampled training: one step of SGD on one individual's path."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.sgd import sgd

from emtnas_hpc.supernet import operations, weights
from emtnas_hpc.supernet.network import Network, SampledPath
from emtnas_hpc.supernet.operations import NO_MASKS, Masks


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, or for several labels an image binary cross-entropy; a scalar.

    Args:
        logits: `(n, n_classes)`.
        targets: classes, `(n,)` integers; or labels, `(n, n_classes)` of 0 and 1.
    """
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


def count_hits(logits: Tensor, targets: Tensor) -> Tensor:
    """Images classified right; of several labels an image, the fraction right counts.

    Args:
        logits: `(n, n_classes)`; a label is predicted where its logit is positive.
        targets: as in `mean_loss`.

    Returns:
        A float64 scalar, so that the counts of many batches add up exactly.
    """
    if targets.dim() == 1:
        return (logits.argmax(dim=1) == targets).sum(dtype=torch.float64)
    right = (logits > 0) == (targets > 0)
    return right.sum(dtype=torch.float64) / targets.shape[1]


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
            parameter: weights.view(self.momentum, offset, shape)
            for parameter, (_name, offset, shape) in zip(
                network.parameters(), network.weights_layout, strict=True
            )
        }
        self._fused = network.weights.device.type in FUSED_DEVICES

    @torch.no_grad()
    def step(
        self, path: SampledPath, gradients: Sequence[Tensor], learning_rate: float | Tensor
    ) -> None:
        """Moves a path's parameters along their gradients, which are in the same order."""
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


@dataclass(frozen=True)
class TrainingTotals:
    """Loss and accuracy, means over the images that the steps since the last reading trained on."""

    n_images: int
    loss: float
    accuracy: float


class Training:
    """A network with its optimizer: what moves when it is trained, and all that must survive.

    Args:
        network: trained in place.
        settings: of the optimizer.
    """

    def __init__(self, network: Network, settings: SgdSettings) -> None:
        self.network = network
        self._sgd = Sgd(network, settings)
        #: Loss, hits and images of the steps since the last reading.
        self._totals = torch.zeros(3, dtype=torch.float64, device=network.device)
        self._rate = torch.zeros((), dtype=torch.float32, device=network.device)

    def rate(self, learning_rate: float) -> float | Tensor:
        """A learning rate as this network's device wants it.

        On CUDA it is always the same float32 tensor, so that a recorded step sees a new value;
        torch's kernel computes otherwise with a number. It holds until the next call.
        """
        if self.network.device.type != "cuda":
            return learning_rate
        return self._rate.fill_(learning_rate)

    def step(
        self,
        path: SampledPath,
        images: Tensor,
        targets: Tensor,
        learning_rate: float | Tensor,
        *,
        masks: Masks = NO_MASKS,
    ) -> None:
        """Trains one individual on one mini-batch; waits for no result.

        Args:
            path: the individual's plan, from the network.
            images: `(n, image_channels, image_size, image_size)`.
            targets: as in `mean_loss`.
            learning_rate: of this step, from `rate`.
            masks: dropout and drop path of this mini-batch.
        """
        logits = self.network(images, path, operations.training, masks)
        loss = mean_loss(logits, targets)
        gradients = torch.autograd.grad(loss, path.parameters)
        self._sgd.step(path, gradients, learning_rate)
        self._totals[0] += loss.detach() * len(images)
        self._totals[1] += count_hits(logits.detach(), targets)
        self._totals[2] += len(images)

    def read(self) -> TrainingTotals:
        """Waits for the device, reports the steps since the last reading, and starts over."""
        loss, hits, n = self._totals.tolist()
        # In place: steps that are recorded add to this very memory.
        self._totals.zero_()
        return TrainingTotals(int(n), loss / n if n else 0.0, hits / n if n else 0.0)

    def state(self) -> dict[str, Any]:
        """Weights, momentum and statistics as three big tensors, and where in them things are.

        The tensors are those of the network, not copies, where it is on the CPU. To read one by
        name: `weights.view(state["weights"], offset, shape)`, with its entry of the layout.
        """
        return {
            "weights": self.network.weights.cpu(),
            "momentum": self._sgd.momentum.cpu(),
            "statistics": self.network.statistics.cpu(),
            "weights_layout": self.network.weights_layout,
            "statistics_layout": self.network.statistics_layout,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a saved state, bit for bit.

        Raises:
            DamagedError: the state is that of another network, or no such state at all.
        """
        network = self.network
        weights.copy_blocks(
            state,
            {
                "weights": (network.weights, network.weights_layout),
                "momentum": (self._sgd.momentum, network.weights_layout),
                "statistics": (network.statistics, network.statistics_layout),
            },
        )
