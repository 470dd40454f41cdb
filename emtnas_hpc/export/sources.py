"""The source text of an exported module: its network, cell by cell, and what stands above it."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from textwrap import indent

from emtnas_hpc.export.subjects import Subject
from emtnas_hpc.space.architecture import (
    INPUT_NAMES,
    N_REDUCTIONS,
    OPERATIONS,
    Architecture,
    Cell,
    CellKind,
    Edge,
    Kind,
    NetworkShape,
    format_genotype,
    stem_widths,
)
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.drawing import draw_cell

_SEPARABLE = '''\
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
'''

_DILATED = '''\
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
'''

_MAX_POOL = '''\
def max_3x3(x: Tensor) -> Tensor:
    """ReLU, max pooling that keeps the shape."""
    return F.max_pool2d(F.relu(x), 3, stride=1, padding=1)
'''

_AVERAGE_POOL = '''\
def avg_3x3(x: Tensor) -> Tensor:
    """ReLU, average pooling that keeps the shape and counts its padding."""
    return F.avg_pool2d(F.relu(x), 3, stride=1, padding=1)
'''

#: An identity needs no source.
_SOURCES: dict[Kind, str] = {
    "separable": _SEPARABLE,
    "dilated": _DILATED,
    "max_pool": _MAX_POOL,
    "average_pool": _AVERAGE_POOL,
}
_CLASSES: dict[Kind, str] = {"separable": "Separable", "dilated": "Dilated"}


def operation_sources(architecture: Architecture) -> list[str]:
    """The source of every family that an architecture uses."""
    edges = (*architecture.reduction.edges, *architecture.normal.edges)
    used = {OPERATIONS[edge.operation].kind for edge in edges}
    return [source for kind, source in _SOURCES.items() if kind in used]


def has_weights(edge: Edge) -> bool:
    """Whether an edge's operation is a module with weights, and not just a function."""
    return OPERATIONS[edge.operation].kind in _CLASSES


def made(edge: Edge) -> str:
    """The expression that makes the module of an edge with weights."""
    operation = OPERATIONS[edge.operation]
    return f"{_CLASSES[operation.kind]}(channels, kernel={operation.kernel})"


def applied(edge: Edge, module: str, source: str) -> str:
    """The expression of an edge.

    Args:
        edge: what is applied.
        module: the cell's attribute that holds its weights, if it has any.
        source: the variable that it is applied to.
    """
    operation = OPERATIONS[edge.operation]
    if operation.kind == "identity":
        return source
    return f"self.{module}({source})" if has_weights(edge) else f"{operation.name}({source})"


_PURPOSE = {
    "reduction": "Halves the resolution and doubles the channels.",
    "normal": "Keeps resolution and channels.",
}
_BRANCHES = "ab"


def cell_class(kind: CellKind) -> str:
    """What the class of a cell is called."""
    return f"{kind.capitalize()}Cell"


def cell_source(kind: CellKind, cell: Cell) -> str:
    """The class of a cell."""
    lines = [
        f"class {cell_class(kind)}(nn.Module):",
        f'    """{_PURPOSE[kind]}',
        "",
        indent(draw_cell(cell), " " * 4),
        '    """',
        "",
        "    def __init__(self, channels: int) -> None:",
        *_indented(_attributes(kind, cell)),
        "",
        "    def forward(self, x: Tensor, x_prev: Tensor) -> tuple[Tensor, Tensor]:",
        '        """Maps the previous cell\'s output and its input to those of this one."""',
        *_indented(_statements(kind, cell)),
    ]
    return "\n".join(lines) + "\n"


def edge_modules(cell: Cell) -> dict[Edge, str]:
    """The attribute of every edge with weights; both branches of a block may be one edge."""
    names: dict[Edge, str] = {}
    for block in cell.blocks:
        for branch, edge in zip(_BRANCHES, block, strict=True):
            if has_weights(edge):
                names.setdefault(edge, f"block{edge.block}_{branch}")
    return names


def _attributes(kind: CellKind, cell: Cell) -> Iterator[str]:
    yield "super().__init__()"
    if kind == "reduction":
        yield "self.project_x = Projection(channels // 2, channels)"
        yield "self.project_x_prev = Projection(channels // 2, channels)"
    for edge, name in edge_modules(cell).items():
        yield f"self.{name} = {made(edge)}  # {edge}"
    width = "channels" if len(cell.outputs) == 1 else f"{len(cell.outputs)} * channels"
    yield f"self.output = Output({width}, channels)"


def _statements(kind: CellKind, cell: Cell) -> Iterator[str]:
    if kind == "reduction":
        yield "x = self.project_x(x)"
        if cell.uses(1):
            yield "x_prev = self.project_x_prev(x_prev)"
        else:
            yield "# No block reads x_prev: its projection has weights, but need not run."
    modules = edge_modules(cell)
    for number, block in enumerate(cell.blocks):
        a, b = (applied(e, modules.get(e, ""), INPUT_NAMES[e.source]) for e in block)
        yield f"block{number} = {a} + {b}"
    blocks = ", ".join(f"block{block}" for block in cell.outputs)
    if len(cell.outputs) > 1:
        blocks = f"torch.cat([{blocks}], dim=1)"
    yield f"return self.output({blocks}), x"


def _indented(lines: Iterator[str]) -> list[str]:
    return [f"        {line}" for line in lines]


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


_WIDTH = 98
_LABEL_WIDTH = 12


def preface(subject: Subject) -> str:
    """The docstring of the module."""
    lines = [
        "An image classifier in plain PyTorch, written by emtnas-hpc; it needs nothing but torch.",
        "",
        *_example(subject),
        "",
        *(line for fact in _facts(subject) for line in _aligned(*fact)),
        "",
        *_notes(subject),
    ]
    # Free text, such as who proposed a recipe, must not end the docstring or escape from it.
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""\n'


def _example(subject: Subject) -> Iterator[str]:
    shape = subject.shape
    size = f"(n, {shape.image_channels}, {shape.image_size}, {shape.image_size})"
    normalised = subject.normalisation is not None
    made = f'build("{subject.name}.pt").eval()' if subject.trained else "build()"
    yield f"    from {subject.name} import build{', normalise' if normalised else ''}"
    yield ""
    yield f"    network = {made}"
    if normalised:
        yield f"    logits = network(normalise(pixels))  # pixels from 0 to 255, {size}"
    else:
        yield f"    logits = network(images)  # normalised, {size}"


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    yield from subject.facts
    shape, architecture = subject.shape, subject.architecture
    macs, n_parameters = count_macs(architecture, shape), count_parameters(architecture, shape)
    n_all = count_parameters(architecture, shape, "all")
    yield "network", f"C = {shape.channels}, N = {shape.n_normal}, {macs:,} MACs for one image"
    yield (
        "parameters",
        f"{n_parameters:,}; {n_all:,} if the output slices that are not in use count as well, as "
        "they do in the paper's tables",
    )
    reduction, normal = format_genotype(architecture).split("; ")
    yield "genotype", f"{reduction};"
    yield "", normal


def _notes(subject: Subject) -> Iterator[str]:
    pool = subject.normalisation.pool if subject.normalisation else 1
    notes = "Dropout and drop path, which act in training only, are left out."
    if pool > 1:
        notes += f" The images were average-pooled by {pool} before they were normalised."
    if not subject.trained:
        notes += " The network has not been trained."
    return iter(textwrap.wrap(notes, _WIDTH))


def _aligned(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:{_LABEL_WIDTH}}",
        subsequent_indent=" " * _LABEL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


_IMPORTS = """\
import torch
from torch import Tensor, nn
from torch.nn import functional as F
"""

_CONSTANTS = """\
#: Per channel, of pixel values in [0, 1].
MEAN = {mean!r}
STD = {std!r}
"""

_NORMALISE = '''\
def normalise(pixels: Tensor) -> Tensor:
    """Maps pixels from 0 to 255, (n, {channels}, {size}, {size}), to what the network reads."""
    mean = torch.tensor(MEAN, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(-1, 1, 1)
    return (pixels - 255 * mean) / (255 * std)
'''

_BUILD = '''\
def build(weights: str | None = None) -> nn.Module:
    """Makes the network, with the weights of a file; without one, as torch initialises it.

    It begins in training mode: call `eval()` before it classifies.
    """
    network = Network()
    if weights is not None:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network
'''


def module_source(subject: Subject) -> str:
    """A module that needs nothing but torch; `build` in it makes the network."""
    architecture, normalisation = subject.architecture, subject.normalisation
    head, functions = [preface(subject), _IMPORTS], [_BUILD]
    if normalisation is not None:
        head.append(_CONSTANTS.format(mean=normalisation.mean, std=normalisation.std))
        size = subject.shape.image_size
        functions.insert(0, _NORMALISE.format(channels=subject.shape.image_channels, size=size))
    parts = [
        "\n".join(head),
        *functions,
        *stem_sources(subject.shape),
        PROJECTION,
        *operation_sources(architecture),
        OUTPUT,
        cell_source("reduction", architecture.reduction),
        cell_source("normal", architecture.normal),
        network_source(subject.shape),
    ]
    return "\n\n".join(parts)
