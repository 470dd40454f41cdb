"""The phenotype: what a chromosome means as a network."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from emtnas_hpc.space.chromosome import (
    GENES_PER_BLOCK,
    N_BLOCKS,
    N_CELLS,
    Chromosome,
    check_chromosome,
)
from emtnas_hpc.space.operations import OPERATIONS
from emtnas_hpc.space.shape import CellKind

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

    def __str__(self) -> str:
        return f"{OPERATIONS[self.operation].name}({INPUT_NAMES[self.source]})"


@dataclass(frozen=True)
class Cell:
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

    def uses(self, cell_input: int) -> bool:
        """Whether `x` (0) or `x_prev` (1) reaches the cell's output; about 3 % ignore one."""
        return any(edge.source == cell_input for edge in self.edges)


@dataclass(frozen=True)
class Architecture:
    """The two cells that a chromosome describes; every cell of a kind is built alike."""

    reduction: Cell
    normal: Cell

    def cell(self, kind: CellKind) -> Cell:
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
        cells.append(Cell(tuple(blocks)))
    return Architecture(*cells)


def encode(architecture: Architecture) -> Chromosome:
    """The chromosome that decodes to this architecture."""
    return tuple(
        gene
        for cell in (architecture.reduction, architecture.normal)
        for a, b in cell.blocks
        for gene in (a.source, b.source, a.operation, b.operation)
    )
