"""What every network has before its first and after its last cell."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emtnas_hpc.space.shape import NetworkShape, stem_widths
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


class StridedConvolution(nn.Module):
    """3x3 convolution of stride 2, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = Convolution(n_in, n_out, kernel=3, stride=2)
        self.norm = BatchNorm(n_out)

    def forward(self, x: Tensor, normalise: Normalise) -> Tensor:
        """Maps `(n, n_in, h, w)` to `(n, n_out, h / 2, w / 2)`, rounded up."""
        return normalise(self.norm, self.convolution(x))


class StridedStem(nn.Module):
    """Three 3x3 convolutions of stride 2, to C/2, C and C channels; batch norm, ReLU between."""

    def __init__(self, image_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = pairwise((image_channels, *widths))
        self.layers = nn.ModuleList(StridedConvolution(n_in, n_out) for n_in, n_out in channels)

    def forward(self, images: Tensor, normalise: Normalise) -> Node:
        """Maps `(n, image_channels, h, w)` to `(n, c, h / 8, w / 8)`, rounded up."""
        x = self.layers[0](images, normalise)
        for layer in self.layers[1:]:
            x = layer(F.relu(x), normalise)
        return Node(x)


def make_stem(shape: NetworkShape) -> nn.Module:
    """Makes the module of a network's stem."""
    if shape.stem == "plain":
        return Stem(shape.image_channels, shape.channels)
    return StridedStem(shape.image_channels, stem_widths(shape.channels, shape.stem))


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
