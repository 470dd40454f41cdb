"""Architectures of every kind, in frames of every kind."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emtnas_hpc.checkpoint.paths import StagePaths
from emtnas_hpc.export.spec import ExportSpec, Normalisation, Retrained
from emtnas_hpc.space.architecture import (
    Architecture,
    CellArchitecture,
    Edge,
    NetworkShape,
    decode,
    random_chromosome,
)
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.network import Network


def shape_of(number: int) -> NetworkShape:
    """Frames in turn: one to three normal cells, grey and colour, both stems."""
    stem = "strided" if number % 5 == 4 else "plain"
    return NetworkShape(
        channels=3 + number % 2,
        n_normal=1 + number % 3,
        image_channels=1 if number % 2 else 3,
        image_size=63 if stem == "strided" else 9,
        n_classes=5,
        stem=stem,
    )


def drawn(number: int) -> Architecture:
    """The random architecture of a number."""
    return decode(random_chromosome(np.random.default_rng(number)))


def cell_of(*blocks: tuple[int, int, int, int]) -> CellArchitecture:
    """A cell from (source_a, source_b, operation_a, operation_b) of every block."""
    return CellArchitecture(
        tuple(
            (Edge(number, a, op_a), Edge(number, b, op_b))
            for number, (a, b, op_a, op_b) in enumerate(blocks)
        )
    )


EVERYTHING = cell_of((0, 1, 0, 3), (0, 1, 4, 7), (2, 3, 1, 8), (0, 2, 6, 5), (1, 0, 2, 6))
WITHOUT_X = cell_of((1, 1, 0, 3), (1, 2, 4, 7), (2, 3, 1, 8), (1, 2, 6, 5), (1, 4, 2, 6))
WITHOUT_X_PREV = cell_of((0, 0, 0, 3), (0, 2, 4, 7), (2, 3, 1, 8), (0, 2, 6, 5), (0, 4, 2, 6))
TWICE = cell_of((0, 0, 0, 0), (1, 1, 4, 4), (2, 2, 3, 3), (0, 1, 6, 6), (1, 0, 8, 7))
CHAIN = cell_of((0, 1, 6, 6), (2, 2, 0, 1), (3, 3, 3, 4), (4, 4, 7, 8), (5, 5, 5, 2))
IDENTITIES = cell_of(*[(0, 1, 6, 6)] * 5)

SPECIAL = {
    "every operation": Architecture(EVERYTHING, EVERYTHING),
    "normal cells ignore x": Architecture(EVERYTHING, WITHOUT_X),
    "normal cells ignore x_prev": Architecture(EVERYTHING, WITHOUT_X_PREV),
    "reduction cells ignore x": Architecture(WITHOUT_X, EVERYTHING),
    "reduction cells ignore x_prev": Architecture(WITHOUT_X_PREV, EVERYTHING),
    "all cells ignore x": Architecture(WITHOUT_X, WITHOUT_X),
    "both branches are one operation": Architecture(TWICE, TWICE),
    "a chain has one output": Architecture(CHAIN, CHAIN),
    "nothing but identities": Architecture(IDENTITIES, IDENTITIES),
}


def spec_of(
    architecture: Architecture, shape: NetworkShape, name: str = "network", *, trained: bool = True
) -> ExportSpec:
    """A network as a retraining gives it, or a search."""
    halves = (0.5,) * shape.image_channels
    return ExportSpec(
        name=name,
        architecture=architecture,
        shape=shape,
        facts=(("run", "tiny, seed 0"), ("recipe", "quick (ours: the quickstart)")),
        normalisation=Normalisation(halves, halves) if trained else None,
        retrained=Retrained(StagePaths(Path("retraining") / name), record=None)
        if trained
        else None,
    )


def images_of(shape: NetworkShape, dtype: torch.dtype, n: int = 6) -> Tensor:
    size = (n, shape.image_channels, shape.image_size, shape.image_size)
    return torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=dtype)


def trained(shape: NetworkShape, architecture: Architecture, dtype: torch.dtype) -> Network:
    """A network whose statistics have been moved by a few mini-batches."""
    network = Network(shape, architecture, torch.Generator().manual_seed(0), dtype=dtype)
    path = network.path(architecture)
    with torch.no_grad():
        for _batch in range(3):
            network(images_of(shape, dtype, n=8), path, operations.training)
    return network
