"""What every network has before its first and after its last cell."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.supernet.batch_norm import BatchNorm, Normalise
from emtnas_hpc.supernet.convolution import Convolution
from emtnas_hpc.supernet.operations import Node


class Stem(nn.Module):
    """3x3 convolution of the images to C channels, batch norm."""

    def __init__(self, image_channels: int, n_channels: int) -> None:
        super().__init__()
        self.convolution = Convolution(image_channels, n_channels, kernel=3)
        self.norm = BatchNorm(n_channels)

    def forward(self, images: Tensor, normalise: Normalise) -> Node:
        """Maps `(n, image_channels, h, w)` to `(n, c, h, w)`."""
        return Node(normalise(self.norm, self.convolution(images)))


class Classifier(nn.Module):
    """Global average pool, dropout, ReLU, linear."""

    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_classes, n_features))
        self.bias = nn.Parameter(torch.empty(n_classes))

    def forward(self, x: Tensor, dropout: Tensor | None) -> Tensor:
        """Maps `(n, n_features, h, w)` to logits, `(n, n_classes)`."""
        # A mean, not adaptive pooling, whose backward is not deterministic on CUDA.
        features = x.mean(dim=(2, 3))
        if dropout is not None:
            features = features * dropout
        return F.linear(F.relu(features), self.weight, self.bias)
