"""The plan of an individual: what of a network runs for it, and which parameters it trains."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.supernet.cell import Cell, CellPath


@dataclass(frozen=True)
class SampledPath:
    """An individual's way through a network; made once, by `Network.path`.

    Attributes:
        architecture: the individual's.
        cells: its way through every cell, from the stem to the classifier.
        parameters: exactly those that get a gradient. About 3 % of cells ignore one of their
            inputs; what then does not reach the logits is neither run nor trained.
    """

    architecture: Architecture
    cells: tuple[CellPath, ...]
    parameters: tuple[nn.Parameter, ...]


def trace(cells: Sequence[Cell], architecture: Architecture) -> tuple[CellPath, ...]:
    """Follows an individual from the logits back to the stem, keeping what is read."""
    paths: list[CellPath] = []
    needs_output, needs_kept = True, False
    for cell in reversed(cells):
        path = cell.path(architecture.cell(cell.kind), needs_output, needs_kept)
        paths.append(path)
        # A cell's x is the output of the one before it, its x_prev what that one kept.
        needs_output, needs_kept = path.needs_x, path.needs_x_prev
    return tuple(reversed(paths))


def compile_path(
    stem: nn.Module, cells: Sequence[Cell], classifier: nn.Module, architecture: Architecture
) -> SampledPath:
    """Makes the plan of an individual in the network that these parts make up."""
    paths = trace(cells, architecture)
    parameters = [*stem.parameters()]
    for cell, path in zip(cells, paths, strict=True):
        parameters.extend(cell.parameters_of(path))
    parameters.extend(classifier.parameters())
    return SampledPath(architecture, paths, tuple(dict.fromkeys(parameters)))
