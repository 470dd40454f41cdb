"""The one network class: a supernet, or one architecture as a network of its own."""

from collections.abc import Iterable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.architecture import Architecture, Edge
from emtnas_hpc.space.chromosome import N_BLOCKS
from emtnas_hpc.space.shape import MIN_IMAGE_SIZE, N_REDUCTIONS, NetworkShape
from emtnas_hpc.supernet import flat
from emtnas_hpc.supernet.batch_norm import Normalise
from emtnas_hpc.supernet.cell import ALL_EDGES, Cell
from emtnas_hpc.supernet.ends import Classifier, make_stem
from emtnas_hpc.supernet.initialise import initialise
from emtnas_hpc.supernet.masks import Masks
from emtnas_hpc.supernet.path import SampledPath, compile_path

#: Plans kept; a generation meets at most twice the population of different ones.
MAX_PATHS = 512

NO_MASKS = Masks()


class Network(nn.Module):
    """All individuals of a task, sharing weights; or one architecture with weights of its own.

    All parameters are views into one block of memory, all batch norm statistics into another.
    A network is made where it stays: it cannot be moved or cast.

    Args:
        shape: width, depth and interface.
        architecture: the only one that the network holds; None for a supernet, which holds a copy
            of every operation for every block and candidate input of every cell.
        generator: draws the initial weights, on its own device.
        dtype: of weights and statistics.
        device: of weights and statistics.

    Raises:
        InputError: less than `MIN_IMAGE_SIZE` of the images' size is left behind the stem.
    """

    def __init__(
        self,
        shape: NetworkShape,
        architecture: Architecture | None,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if shape.first_size < MIN_IMAGE_SIZE:
            behind = "" if shape.stem == "plain" else f", {shape.first_size} behind the stem"
            raise InputError(
                f"images of {shape.image_size} pixels{behind}, expected at least "
                f"{MIN_IMAGE_SIZE}: a network halves them twice"
            )
        self.shape = shape
        self.architecture = architecture
        self.device = torch.device(device)
        with torch.device("meta"):
            self.stem = make_stem(shape)
            self.cells = nn.ModuleList(_make_cells(shape, architecture))
            n_features = shape.channels * 2**N_REDUCTIONS
            self.classifier = Classifier(n_features, shape.n_classes)
        self.weights, self.weights_layout = flat.pack_parameters(self, dtype, self.device)
        self.statistics, self.statistics_layout = flat.pack_buffers(self, dtype, self.device)
        initialise(self, generator)
        self._paths: dict[Architecture, SampledPath] = {}

    def path(self, architecture: Architecture) -> SampledPath:
        """The plan of an individual.

        Raises:
            InputError: a stand-alone network does not hold this architecture.
        """
        if architecture not in self._paths:
            if self.architecture not in (None, architecture):
                raise InputError(
                    "a stand-alone network runs the architecture that it was made for, found "
                    "another: make a network for it, or use the supernet"
                )
            if len(self._paths) == MAX_PATHS:
                del self._paths[next(iter(self._paths))]
            cells = [cell for cell in self.cells if isinstance(cell, Cell)]
            self._paths[architecture] = compile_path(
                self.stem, cells, self.classifier, architecture
            )
        return self._paths[architecture]

    def forward(
        self, images: Tensor, path: SampledPath, normalise: Normalise, masks: Masks = NO_MASKS
    ) -> Tensor:
        """Classifies images with one individual.

        Args:
            images: `(n, image_channels, image_size, image_size)`, normalised.
            path: the individual's plan, from `path`.
            normalise: how batch norm is done, one of `batch_norm`'s.
            masks: dropout and drop path of this mini-batch.

        Returns:
            Logits, `(n, n_classes)`.
        """
        x = x_prev = self.stem(images.contiguous(memory_format=torch.channels_last), normalise)
        branches = masks.branches if masks.branches is not None else [None] * len(path.cells)
        for cell, cell_path, kept in zip(self.cells, path.cells, branches, strict=True):
            x, x_prev = cell(x, x_prev, cell_path, normalise, kept)
        logits: Tensor = self.classifier(x.value, masks.features)
        return logits

    def _apply(self, *_arguments: Any, **_named: Any) -> NoReturn:
        raise TypeError("a network stays where it is made: give it its device and dtype then")


def _make_cells(shape: NetworkShape, architecture: Architecture | None) -> list[Cell]:
    cells = []
    n_channels = shape.channels
    for kind in shape.cells:
        if kind == "reduction":
            n_channels = 2 * n_channels
        edges: Iterable[Edge] = ALL_EDGES
        outputs: Iterable[int] = range(N_BLOCKS)
        if architecture is not None:
            cell = architecture.cell(kind)
            edges, outputs = dict.fromkeys(cell.edges), cell.outputs
        cells.append(Cell(kind, n_channels, edges, outputs))
    return cells
