"""The source of everything around the cells."""

from collections.abc import Iterable
from itertools import pairwise

from emtnas_hpc.export.cell_source import cell_class
from emtnas_hpc.space.shape import N_REDUCTIONS, NetworkShape, stem_widths

_CONVOLUTION = '''\
class Convolution(nn.Module):
    """3x3 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h / stride, w / stride), rounded up."""
        return self.norm(self.convolution(x))
'''

_STRIDED_STEM = '''\
class StridedStem(nn.Module):
    """Three convolutions that halve the resolution each, ReLU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
{layers}
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Maps (n, {image_channels}, h, w) to (n, {channels}, h / 8, w / 8), rounded up."""
        x = F.relu(self.layers[0](images))
        x = F.relu(self.layers[1](x))
        return self.layers[2](x)
'''

PROJECTION = '''\
class Projection(nn.Module):
    """2x2 average pooling, 1x1 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h // 2, w // 2)."""
        return self.norm(self.convolution(F.avg_pool2d(x, 2)))
'''

OUTPUT = '''\
class Output(nn.Module):
    """ReLU, 1x1 convolution of the concatenated blocks, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, blocks: Tensor) -> Tensor:
        """Maps (n, n_in, h, w) to (n, n_out, h, w)."""
        return self.norm(self.convolution(F.relu(blocks)))
'''

_NETWORK = '''\
class Network(nn.Module):
    """Stem, cells, global average pooling, linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = {stem}
        self.cells = nn.ModuleList(
            [
{cells}
            ]
        )
        self.classifier = nn.Linear({n_features}, {n_classes})

    def forward(self, images: Tensor) -> Tensor:
        """Maps (n, {image_channels}, {size}, {size}) to logits, (n, {n_classes})."""
        x = x_prev = self.stem(images)
        for cell in self.cells:
            x, x_prev = cell(x, x_prev)
        features = F.relu(x.mean(dim=(2, 3)))
        return self.classifier(features)
'''


def stem_sources(shape: NetworkShape) -> list[str]:
    """The classes of a network's stem."""
    if shape.stem == "plain":
        return [_CONVOLUTION]
    widths = (shape.image_channels, *stem_widths(shape.channels, shape.stem))
    layers = (f"Convolution({n_in}, {n_out}, stride=2)," for n_in, n_out in pairwise(widths))
    strided = _STRIDED_STEM.format(
        layers=_listed(layers), image_channels=shape.image_channels, channels=shape.channels
    )
    return [_CONVOLUTION, strided]


def network_source(shape: NetworkShape) -> str:
    """The class of the whole network."""
    plain = f"Convolution({shape.image_channels}, {shape.channels})"
    return _NETWORK.format(
        stem=plain if shape.stem == "plain" else "StridedStem()",
        cells=_listed(_cells(shape)),
        n_features=shape.channels * 2**N_REDUCTIONS,
        n_classes=shape.n_classes,
        image_channels=shape.image_channels,
        size=shape.image_size,
    )


def _cells(shape: NetworkShape) -> Iterable[str]:
    channels = shape.channels
    for kind in shape.cells:
        channels = 2 * channels if kind == "reduction" else channels
        yield f"{cell_class(kind)}({channels}),"


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"{' ' * 16}{line}" for line in lines)
