"""Chromosomes, the architectures that they mean, genotypes, and the shapes of networks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from emtnas_hpc.errors import InputError

Kind = Literal["separable", "dilated", "identity", "max_pool", "average_pool"]


@dataclass(frozen=True)
class Operation:
    """A candidate operation.

    Attributes:
        name: how files and screens call it.
        kind: the family.
        kernel: edge of the stored kernel in weights (0 where there is none).
    """

    name: str
    kind: Kind
    kernel: int = 0


#: The candidate operations of an edge; none changes the number of channels or the resolution. The
#: paper names the families, the authors' code has the list.
OPERATIONS: tuple[Operation, ...] = (
    Operation("sep_3x3", "separable", 3),
    Operation("sep_5x5", "separable", 5),
    Operation("sep_7x7", "separable", 7),
    Operation("dil_1x1", "dilated", 1),
    Operation("dil_3x3", "dilated", 3),
    Operation("dil_5x5", "dilated", 5),
    Operation("identity", "identity"),
    Operation("max_3x3", "max_pool"),
    Operation("avg_3x3", "average_pool"),
)
N_OPERATIONS = len(OPERATIONS)


#: 40 genes: two cells, reduction first; five blocks a cell; four genes a block, `(input_a, input_b,
#: op_a, op_b)`. Block i chooses its inputs among 2 + i candidates: 0 is the previous cell's output
#: (`x`), 1 the one before it (`x_prev`), 2 onwards the earlier blocks of the same cell.
Chromosome = tuple[int, ...]

N_CELLS = 2
N_BLOCKS = 5
GENES_PER_BLOCK = 4
N_GENES = N_CELLS * N_BLOCKS * GENES_PER_BLOCK

#: Number of candidates of every gene, in order of position.
GENE_RANGES: tuple[int, ...] = tuple(
    n
    for _cell in range(N_CELLS)
    for block in range(N_BLOCKS)
    for n in (2 + block, 2 + block, N_OPERATIONS, N_OPERATIONS)
)


def random_chromosome(rng: np.random.Generator) -> Chromosome:
    """Draws every gene uniformly from its candidates."""
    return tuple(int(gene) for gene in rng.integers(GENE_RANGES))


def check_chromosome(genes: Sequence[int]) -> Chromosome:
    """Returns the genes as a chromosome.

    Raises:
        InputError: the number of genes is wrong, or one is outside its candidates.
    """
    if len(genes) != N_GENES:
        raise InputError(f"a chromosome has {N_GENES} genes, found {len(genes)}")
    for position, (gene, n) in enumerate(zip(genes, GENE_RANGES, strict=True)):
        if not 0 <= gene < n:
            raise InputError(f"gene {position} is {gene}, expected 0 to {n - 1}")
    return tuple(int(gene) for gene in genes)


CellKind = Literal["normal", "reduction"]

#: What leads from the images to C channels: one convolution, or three that halve the resolution
#: each, for images of 224x224.
StemKind = Literal["plain", "strided"]
N_STRIDED = 3
_STRIDED_FACTOR = 8

#: Every network halves its resolution and doubles its channels twice.
N_REDUCTIONS = 2

#: Edge in pixels behind the stem: 2x2 are left after two halvings, so that a mini-batch of a single
#: image still has statistics for batch norm.
MIN_IMAGE_SIZE = 8


@dataclass(frozen=True)
class NetworkShape:
    """Width, depth and interface of a network.

    Attributes:
        channels: C, the width after the stem; 2C and 4C after the reductions.
        n_normal: N, normal cells between the reductions (1 in the search).
        image_channels: 1 or 3.
        image_size: edge of the square images in pixels.
        n_classes: outputs of the classifier.
        stem: that begins it.
    """

    channels: int
    n_normal: int
    image_channels: int
    image_size: int
    n_classes: int
    stem: StemKind = "plain"

    @property
    def first_size(self) -> int:
        """Edge of the feature maps that the first cell gets."""
        return size_behind_stem(self.image_size, self.stem)

    @property
    def cells(self) -> tuple[CellKind, ...]:
        """The kinds of the cells, from the stem to the classifier."""
        normal: CellKind = "normal"
        stage = (normal,) * self.n_normal
        return (*stage, "reduction") * N_REDUCTIONS + stage


def size_behind_stem(image_size: int, stem: StemKind) -> int:
    """Edge of the feature maps that a stem makes of images: 224 pixels become 28 if strided."""
    if stem == "plain":
        return image_size
    # Halved three times, rounded up each time.
    return -(-image_size // _STRIDED_FACTOR)


def smallest_image(stem: StemKind) -> int:
    """Edge of the images of which a stem leaves `MIN_IMAGE_SIZE`: 8 pixels, or 57 if strided."""
    return MIN_IMAGE_SIZE if stem == "plain" else (MIN_IMAGE_SIZE - 1) * _STRIDED_FACTOR + 1


def stem_widths(channels: int, stem: StemKind) -> tuple[int, ...]:
    """Output channels of each convolution of a stem: C, or C/2, C, C if strided."""
    if stem == "plain":
        return (channels,)
    return (max(1, channels // 2), *(channels,) * (N_STRIDED - 1))


#: The two inputs of a cell come before its blocks in the numbering of inputs.
N_CELL_INPUTS = 2
#: What files and screens call the candidate inputs; block i may read the first 2 + i.
INPUT_NAMES = ("x", "x_prev", *(f"block{block}" for block in range(N_BLOCKS - 1)))


@dataclass(frozen=True)
class Edge:
    """One branch of a block: an operation applied to one candidate input.

    Attributes:
        block: the block that it feeds, 0-based.
        source: 0 = `x`, 1 = `x_prev`, 2 + j = block j of the same cell.
        operation: index into `OPERATIONS`.
    """

    block: int
    source: int
    operation: int

    @property
    def names(self) -> tuple[str, str]:
        """Of the operation and of what it reads."""
        return OPERATIONS[self.operation].name, INPUT_NAMES[self.source]

    def __str__(self) -> str:
        operation, source = self.names
        return f"{operation}({source})"


@dataclass(frozen=True)
class CellArchitecture:
    """A cell: for every block its two edges."""

    blocks: tuple[tuple[Edge, Edge], ...]

    @property
    def edges(self) -> Iterator[Edge]:
        """All edges, block by block, branch a before branch b."""
        return (edge for block in self.blocks for edge in block)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """The blocks that no block of the cell consumes; they are concatenated, in order."""
        consumed = {edge.source - N_CELL_INPUTS for edge in self.edges}
        return tuple(block for block in range(len(self.blocks)) if block not in consumed)

    @property
    def named_blocks(self) -> tuple[tuple[tuple[str, str], tuple[str, str]], ...]:
        """The blocks, each edge as the names of its operation and of what it reads."""
        return tuple((a.names, b.names) for a, b in self.blocks)

    def uses(self, cell_input: int) -> bool:
        """Whether `x` (0) or `x_prev` (1) reaches the cell's output.

        1/36 of random cells (2.8 %) ignore `x`, as many `x_prev`, and none both: 5.6 % ignore one.
        """
        return any(edge.source == cell_input for edge in self.edges)


@dataclass(frozen=True)
class Architecture:
    """The two cells that a chromosome describes; every cell of a kind is built alike."""

    reduction: CellArchitecture
    normal: CellArchitecture

    def cell(self, kind: CellKind) -> CellArchitecture:
        """The cell of a kind, as `NetworkShape.cells` lists them."""
        return self.reduction if kind == "reduction" else self.normal


def decode(chromosome: Chromosome) -> Architecture:
    """Reads a chromosome as an architecture."""
    genes = iter(check_chromosome(chromosome))
    cells = []
    for _cell in range(N_CELLS):
        blocks = []
        for block in range(N_BLOCKS):
            input_a, input_b, op_a, op_b = (next(genes) for _gene in range(GENES_PER_BLOCK))
            blocks.append((Edge(block, input_a, op_a), Edge(block, input_b, op_b)))
        cells.append(CellArchitecture(tuple(blocks)))
    return Architecture(*cells)


def encode(architecture: Architecture) -> Chromosome:
    """The chromosome that decodes to this architecture."""
    return tuple(
        gene
        for cell in (architecture.reduction, architecture.normal)
        for a, b in cell.blocks
        for gene in (a.source, b.source, a.operation, b.operation)
    )


CELL_NAMES = ("reduction", "normal")
OPERATION_NAMES = tuple(operation.name for operation in OPERATIONS)

_BRANCH = re.compile(r"(\w+)\s*\(\s*(\w+)\s*\)")


def format_genotype(architecture: Architecture) -> str:
    """Writes an architecture as one line, its genotype.

    It has five blocks a cell, two branches a block, each an operation and what it reads:
    `reduction: sep_3x3(x) + max_3x3(x_prev), dil_5x5(block0) + identity(x), ...; normal: ...`
    """
    cells = (architecture.reduction, architecture.normal)
    return "; ".join(
        f"{name}: " + ", ".join(f"{a} + {b}" for a, b in cell.blocks)
        for name, cell in zip(CELL_NAMES, cells, strict=True)
    )


def parse_genotype(text: str) -> Architecture:
    """Reads a genotype; space between its parts is free.

    Raises:
        InputError: the text is not such a line; says where, what was found, what was expected.
    """
    cells = _split(text, ";", len(CELL_NAMES), where="genotype", what="cells")
    return Architecture(
        *(_parse_cell(part, name) for part, name in zip(cells, CELL_NAMES, strict=True))
    )


def _parse_cell(text: str, name: str) -> CellArchitecture:
    label, _colon, body = text.partition(":")
    if label.strip() != name:
        raise _unexpected("genotype", label, f"'{name}:'")
    where = f"genotype, {name} cell"
    blocks = _split(body, ",", N_BLOCKS, where=where, what="blocks")
    return CellArchitecture(
        tuple(
            _parse_block(part, block, f"{where}, block{block}") for block, part in enumerate(blocks)
        )
    )


def _parse_block(text: str, block: int, where: str) -> tuple[Edge, Edge]:
    a, b = _split(text, "+", 2, where=where, what="branches")
    return _parse_branch(a, block, where), _parse_branch(b, block, where)


def _parse_branch(text: str, block: int, where: str) -> Edge:
    match = _BRANCH.fullmatch(text.strip())
    if match is None:
        raise _unexpected(where, text, "operation(input), such as sep_3x3(x)")
    operation, source = match.groups()
    return Edge(
        block,
        _index(INPUT_NAMES[: N_CELL_INPUTS + block], source, where),
        _index(OPERATION_NAMES, operation, where),
    )


def _split(text: str, separator: str, n: int, *, where: str, what: str) -> list[str]:
    parts = text.split(separator)
    if len(parts) != n:
        raise InputError(
            f"{where}: found {len(parts)} {what}, expected {n} separated by '{separator}'"
        )
    return parts


def _index(names: Sequence[str], found: str, where: str) -> int:
    if found not in names:
        raise _unexpected(where, found, f"one of {', '.join(names)}")
    return names.index(found)


def _unexpected(where: str, found: str, expected: str) -> InputError:
    return InputError(f"{where}: found {found.strip()!r}, expected {expected}")
