"""An image classifier in plain PyTorch, written by emtnas-hpc; it needs nothing but torch.

    from digits_n1_quick import build, normalise

    network = build("digits_n1_quick.pt").eval()
    logits = network(normalise(pixels))  # pixels from 0 to 255, (n, 1, 8, 8)

run         tiny, seed 0
recipe      quick (ours: the quickstart)
network     C = 8, N = 1, 329,792 MACs for one image
parameters  37,890; 44,482 if the output slices that are not in use count as well, as they do in
            the paper's tables
genotype    reduction: dil_3x3(x_prev) + sep_7x7(x_prev), sep_3x3(x) + sep_3x3(x), dil_5x5(x) +
            avg_3x3(block1), avg_3x3(block0) + identity(block1), dil_5x5(block1) +
            avg_3x3(block1);
            normal: identity(x) + sep_3x3(x_prev), dil_3x3(x_prev) + sep_3x3(block0),
            max_3x3(block1) + sep_5x5(block0), sep_3x3(x) + dil_3x3(block2), dil_3x3(x) +
            dil_1x1(x_prev)

Dropout and drop path, which act in training only, are left out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Per channel, of pixel values in [0, 1].
MEAN = (0.5,)
STD = (0.5,)


def normalise(pixels: Tensor) -> Tensor:
    """Maps pixels from 0 to 255, (n, 1, 8, 8), to what the network reads."""
    mean = torch.tensor(MEAN, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(-1, 1, 1)
    return (pixels - 255 * mean) / (255 * std)


def build(weights: str | None = None) -> nn.Module:
    """Makes the network, with the weights of a file; without one, as torch initialises it.

    It begins in training mode: call `eval()` before it classifies.
    """
    network = Network()
    if weights is not None:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network


class Convolution(nn.Module):
    """3x3 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h / stride, w / stride), rounded up."""
        return self.norm(self.convolution(x))


class Projection(nn.Module):
    """2x2 average pooling, 1x1 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h // 2, w // 2)."""
        return self.norm(self.convolution(F.avg_pool2d(x, 2)))


class Separable(nn.Module):
    """ReLU, depthwise convolution, batch norm, ReLU, pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.inner_norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (n, channels, height, width)."""
        x = self.inner_norm(self.depthwise(F.relu(x)))
        return self.norm(self.pointwise(F.relu(x)))


class Dilated(nn.Module):
    """ReLU, depthwise convolution of dilation 2, pointwise convolution, batch norm."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel - 1, dilation=2, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (n, channels, height, width)."""
        return self.norm(self.pointwise(self.depthwise(F.relu(x))))


def max_3x3(x: Tensor) -> Tensor:
    """ReLU, max pooling that keeps the shape."""
    return F.max_pool2d(F.relu(x), 3, stride=1, padding=1)


def avg_3x3(x: Tensor) -> Tensor:
    """ReLU, average pooling that keeps the shape and counts its padding."""
    return F.avg_pool2d(F.relu(x), 3, stride=1, padding=1)


class Output(nn.Module):
    """ReLU, 1x1 convolution of the concatenated blocks, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, blocks: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h, w)."""
        return self.norm(self.convolution(F.relu(blocks)))


class ReductionCell(nn.Module):
    """Halves the resolution and doubles the channels.

    block0  dil_3x3(x_prev) + sep_7x7(x_prev)
    block1  sep_3x3(x)      + sep_3x3(x)
    block2  dil_5x5(x)      + avg_3x3(block1)
    block3  avg_3x3(block0) + identity(block1)
    block4  dil_5x5(block1) + avg_3x3(block1)
    output  block2, block3, block4
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project_x = Projection(channels // 2, channels)
        self.project_x_prev = Projection(channels // 2, channels)
        self.block0_a = Dilated(channels, kernel=3)  # dil_3x3(x_prev)
        self.block0_b = Separable(channels, kernel=7)  # sep_7x7(x_prev)
        self.block1_a = Separable(channels, kernel=3)  # sep_3x3(x)
        self.block2_a = Dilated(channels, kernel=5)  # dil_5x5(x)
        self.block4_a = Dilated(channels, kernel=5)  # dil_5x5(block1)
        self.output = Output(3 * channels, channels)

    def forward(self, x: Tensor, x_prev: Tensor) -> tuple[Tensor, Tensor]:
        """Maps the previous cell's output and its input to those of this one."""
        x = self.project_x(x)
        x_prev = self.project_x_prev(x_prev)
        block0 = self.block0_a(x_prev) + self.block0_b(x_prev)
        block1 = self.block1_a(x) + self.block1_a(x)
        block2 = self.block2_a(x) + avg_3x3(block1)
        block3 = avg_3x3(block0) + block1
        block4 = self.block4_a(block1) + avg_3x3(block1)
        return self.output(torch.cat([block2, block3, block4], dim=1)), x


class NormalCell(nn.Module):
    """Keeps resolution and channels.

    block0  identity(x)     + sep_3x3(x_prev)
    block1  dil_3x3(x_prev) + sep_3x3(block0)
    block2  max_3x3(block1) + sep_5x5(block0)
    block3  sep_3x3(x)      + dil_3x3(block2)
    block4  dil_3x3(x)      + dil_1x1(x_prev)
    output  block3, block4
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block0_b = Separable(channels, kernel=3)  # sep_3x3(x_prev)
        self.block1_a = Dilated(channels, kernel=3)  # dil_3x3(x_prev)
        self.block1_b = Separable(channels, kernel=3)  # sep_3x3(block0)
        self.block2_b = Separable(channels, kernel=5)  # sep_5x5(block0)
        self.block3_a = Separable(channels, kernel=3)  # sep_3x3(x)
        self.block3_b = Dilated(channels, kernel=3)  # dil_3x3(block2)
        self.block4_a = Dilated(channels, kernel=3)  # dil_3x3(x)
        self.block4_b = Dilated(channels, kernel=1)  # dil_1x1(x_prev)
        self.output = Output(2 * channels, channels)

    def forward(self, x: Tensor, x_prev: Tensor) -> tuple[Tensor, Tensor]:
        """Maps the previous cell's output and its input to those of this one."""
        block0 = x + self.block0_b(x_prev)
        block1 = self.block1_a(x_prev) + self.block1_b(block0)
        block2 = max_3x3(block1) + self.block2_b(block0)
        block3 = self.block3_a(x) + self.block3_b(block2)
        block4 = self.block4_a(x) + self.block4_b(x_prev)
        return self.output(torch.cat([block3, block4], dim=1)), x


class Network(nn.Module):
    """Stem, cells, global average pooling, linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(1, 8)
        self.cells = nn.ModuleList(
            [
                NormalCell(8),
                ReductionCell(16),
                NormalCell(16),
                ReductionCell(32),
                NormalCell(32),
            ]
        )
        self.classifier = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (n, 1, 8, 8) to logits, (n, 10)."""
        x = x_prev = self.stem(images)
        for cell in self.cells:
            x, x_prev = cell(x, x_prev)
        features = F.relu(x.mean(dim=(2, 3)))
        return self.classifier(features)
