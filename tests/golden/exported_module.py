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

Dropout and drop path, which act in training only, are off unless masks are given.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: The blocks of a cell, each with two branches: an operation, and what it reads.
Blocks = tuple[tuple[tuple[str, str], tuple[str, str]], ...]

#: Per channel, of pixel values in [0, 1].
MEAN = (0.5,)
STD = (0.5,)


def normalise(pixels: Tensor) -> Tensor:
    """Maps pixels from 0 to 255, (n, 1, 8, 8), to what the network reads."""
    mean = torch.tensor(MEAN, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(-1, 1, 1)
    return (pixels - 255 * mean) / (255 * std)


REDUCTION: Blocks = (
    (("dil_3x3", "x_prev"), ("sep_7x7", "x_prev")),
    (("sep_3x3", "x"), ("sep_3x3", "x")),
    (("dil_5x5", "x"), ("avg_3x3", "block1")),
    (("avg_3x3", "block0"), ("identity", "block1")),
    (("dil_5x5", "block1"), ("avg_3x3", "block1")),
)
NORMAL: Blocks = (
    (("identity", "x"), ("sep_3x3", "x_prev")),
    (("dil_3x3", "x_prev"), ("sep_3x3", "block0")),
    (("max_3x3", "block1"), ("sep_5x5", "block0")),
    (("sep_3x3", "x"), ("dil_3x3", "block2")),
    (("dil_3x3", "x"), ("dil_1x1", "x_prev")),
)


def build(weights: str | None = None) -> nn.Module:
    """Makes the network, with the weights of a file; without one, as torch initialises it.

    It begins in training mode: call `eval()` before it classifies.
    """
    network = Network(
        REDUCTION,
        NORMAL,
        channels=8,
        normal_cells=1,
        image_channels=1,
        classes=10,
        strided=False,
    )
    if weights is not None:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network


class Network(nn.Module):
    """Stem, cells, global average pooling, linear classifier.

    Args:
        reduction: the two cells that halve the resolution and double the channels.
        normal: all other cells.
        channels: C, the width behind the stem.
        normal_cells: N, how many follow the stem and each of the two reductions.
        image_channels: 1 or 3.
        classes: outputs of the classifier.
        strided: begin with three convolutions of stride 2, for large images.
    """

    def __init__(
        self,
        reduction: Blocks,
        normal: Blocks,
        *,
        channels: int,
        normal_cells: int,
        image_channels: int,
        classes: int,
        strided: bool = False,
    ) -> None:
        super().__init__()
        stem = StridedStem if strided else Convolution
        self.stem = stem(image_channels, channels)
        self.cells = nn.ModuleList()
        for stage in range(3):
            if stage > 0:
                channels = 2 * channels
                self.cells.append(Cell(reduction, channels, reduces=True))
            for _ in range(normal_cells):
                self.cells.append(Cell(normal, channels))
        self.classifier = nn.Linear(channels, classes)

    def forward(
        self, images: Tensor, dropout: Tensor | None = None, drop_path: Tensor | None = None
    ) -> Tensor:
        """Maps images, (n, image_channels, h, w), to logits, (n, classes).

        Training may drop features and branches: a mask is 0 for what is dropped, and 1 / (the
        probability of being kept) otherwise.

        Args:
            images: normalised.
            dropout: mask of the classifier's features, (n, 4 C).
            drop_path: mask of the branches of all cells, (n_cells, 5, 2).
        """
        x = x_prev = self.stem(images)
        for number, cell in enumerate(self.cells):
            x, x_prev = cell(x, x_prev, None if drop_path is None else drop_path[number])
        features = x.mean(dim=(2, 3))
        if dropout is not None:
            features = features * dropout
        return self.classifier(F.relu(features))


class Cell(nn.Module):
    """Blocks that add up two branches each; those that no block reads become the output."""

    def __init__(self, blocks: Blocks, channels: int, *, reduces: bool = False) -> None:
        super().__init__()
        self.blocks = blocks
        self.reduces = reduces
        if reduces:
            self.project_x = Projection(channels // 2, channels)
            self.project_x_prev = Projection(channels // 2, channels)
        for number, (a, b) in enumerate(blocks):
            self.add_module(f"block{number}_a", make_operation(a[0], channels))
            if b != a:  # else it is one operation, which runs twice
                self.add_module(f"block{number}_b", make_operation(b[0], channels))
        read = {source for block in blocks for _, source in block}
        names = [f"block{number}" for number in range(len(blocks))]
        self.outputs = [name for name in names if name not in read]
        self.output = Output(len(self.outputs) * channels, channels)

    def forward(
        self, x: Tensor, x_prev: Tensor, drop_path: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Maps the previous cell's output and its input to those of this one."""
        if self.reduces:
            x, x_prev = self.project_x(x), self.project_x_prev(x_prev)
        nodes = {"x": x, "x_prev": x_prev}
        for number, (a, b) in enumerate(self.blocks):
            first = self.get_submodule(f"block{number}_a")
            second = first if b == a else self.get_submodule(f"block{number}_b")
            left, right = first(nodes[a[1]]), second(nodes[b[1]])
            if drop_path is not None:
                left, right = left * drop_path[number, 0], right * drop_path[number, 1]
            nodes[f"block{number}"] = left + right
        return self.output(torch.cat([nodes[name] for name in self.outputs], dim=1)), x


def make_operation(name: str, channels: int) -> nn.Module:
    """Makes an operation; each maps (n, channels, h, w) to the same shape."""
    if name == "identity":
        return nn.Identity()
    if name == "max_3x3":
        return nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=1, padding=1))
    if name == "avg_3x3":  # counts its padding
        return nn.Sequential(nn.ReLU(), nn.AvgPool2d(3, stride=1, padding=1))
    kind, _, size = name.partition("_")
    return {"sep": Separable, "dil": Dilated}[kind](channels, kernel=int(size[0]))


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
        """Keeps the shape."""
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
        """Keeps the shape."""
        return self.norm(self.pointwise(self.depthwise(F.relu(x))))


class Projection(nn.Module):
    """2x2 average pooling, 1x1 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h // 2, w // 2)."""
        return self.norm(self.convolution(F.avg_pool2d(x, 2)))


class Output(nn.Module):
    """ReLU, 1x1 convolution of the concatenated blocks, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, blocks: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h, w)."""
        return self.norm(self.convolution(F.relu(blocks)))


class Convolution(nn.Module):
    """3x3 convolution, batch norm; alone it is the plain stem."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h / stride, w / stride), rounded up."""
        return self.norm(self.convolution(x))


class StridedStem(nn.Module):
    """Three convolutions that halve the resolution each, ReLU between them."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        half = max(1, n_out // 2)
        self.layers = nn.ModuleList(
            [
                Convolution(n_in, half, stride=2),
                Convolution(half, n_out, stride=2),
                Convolution(n_out, n_out, stride=2),
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h / 8, w / 8), rounded up."""
        x = F.relu(self.layers[0](images))
        x = F.relu(self.layers[1](x))
        return self.layers[2](x)
