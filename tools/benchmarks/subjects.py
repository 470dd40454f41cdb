"""The networks that are timed: a supernet, stand-alone networks, references."""

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.settings import Settings
from benchmarks.timing import Time, timed
from emtnas_hpc.export.networks import plain_copy
from emtnas_hpc.plain import Network as PlainNetwork
from emtnas_hpc.space.architecture import Architecture, NetworkShape, decode, random_chromosome
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.device import prepare_torch
from emtnas_hpc.supernet.evaluation import chunk_sizes, count_hits
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.operations import Masks, draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training

N_EVALUATED = 1000
CHUNK = 125
DROPOUT = 0.1
#: Small, because the images are noise; its size changes no time.
LEARNING_RATE = 1e-4


class CpuBench:
    """Individuals, images, and what is to be timed on them in this process.

    Args:
        settings: of the benchmark.
        threads: CPU threads.
        is_reference: torch stays as it comes, but for the number of threads.
    """

    def __init__(self, settings: Settings, threads: int, is_reference: bool) -> None:
        if is_reference:
            torch.set_num_threads(threads)
        else:
            prepare_torch(threads, torch.device("cpu"))
        size = settings.image_size
        self._shape = NetworkShape(settings.channels, 1, 3, size, 10)
        rng = np.random.default_rng(0)
        self._individuals = [
            decode(random_chromosome(rng)) for _individual in range(settings.individuals)
        ]
        self._masks = torch.Generator().manual_seed(0)
        layout = torch.contiguous_format if is_reference else torch.channels_last
        self._batch = _noise(settings.batch_size, size, layout)
        self._validation = _noise(N_EVALUATED, size, layout)

    def time_step(self, subject: str, individual: int) -> Time:
        """Times one training step, after one that is not timed."""
        step = self._step(subject, self._individuals[individual])
        step()
        return timed(step)

    def time_evaluation(self, subject: str, individual: int) -> Time:
        """Times the hits of 1000 images, in inference mode."""
        return timed(self._evaluation(subject, self._individuals[individual]))

    def sizes(self) -> dict[str, float]:
        """Megabytes of a supernet's blocks."""
        state = self._supernet.state()
        return {
            name: tensor.nbytes / 1e6
            for name, tensor in state.items()
            if isinstance(tensor, torch.Tensor)
        }

    @cached_property
    def _supernet(self) -> Training:
        return Training(self._make(None), SgdSettings())

    def _make(self, architecture: Architecture | None) -> Network:
        return Network(self._shape, architecture, torch.Generator().manual_seed(0))

    def _trained(self, subject: str, architecture: Architecture) -> Training:
        if subject == "supernet":
            return self._supernet
        return Training(self._make(architecture), SgdSettings())

    def _reference(self, architecture: Architecture) -> PlainNetwork:
        return plain_copy(self._make(architecture), architecture)

    def _step(self, subject: str, architecture: Architecture) -> Callable[[], object]:
        shape, n = self._shape, len(self._batch[1])
        draw = partial(draw_masks, shape, n, self._masks, dropout=DROPOUT, drop_path=0.0)
        if subject == "reference":
            return reference_step(self._reference(architecture), self._batch, draw)
        training = self._trained(subject, architecture)
        path = training.network.path(architecture)

        return lambda: training.step(path, *self._batch, LEARNING_RATE, masks=draw())

    def _evaluation(self, subject: str, architecture: Architecture) -> Callable[[], object]:
        images, targets = self._validation
        if subject == "reference":
            reference = self._reference(architecture).eval()
            return torch.no_grad()(
                lambda: (reference(images).argmax(dim=1) == targets).sum().item()
            )
        network = self._trained(subject, architecture).network
        path = network.path(architecture)
        sizes = chunk_sizes(len(images), CHUNK, "running")
        chunks = list(zip(torch.split(images, sizes), torch.split(targets, sizes), strict=True))
        return lambda: count_hits(network, path, chunks, operations.running).item()


def reference_step(
    network: PlainNetwork, batch: tuple[Tensor, Tensor], draw: Callable[[], Masks]
) -> Callable[[], None]:
    """A training step as the authors' code makes it, which reads the hits each time."""
    images, targets = batch
    optimizer = torch.optim.SGD(
        network.parameters(), LEARNING_RATE, 0.9, weight_decay=1e-4, nesterov=True
    )

    def step() -> None:
        masks = draw()
        optimizer.zero_grad()
        logits = network(images, masks.features, masks.branches)
        torch.autograd.backward(F.cross_entropy(logits, targets))
        optimizer.step()
        (logits.argmax(dim=1) == targets).sum().item()

    return step


def _noise(n: int, size: int, layout: torch.memory_format) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    images = torch.randn((n, 3, size, size), generator=rng)
    targets = torch.randint(10, (n,), generator=rng)
    return images.contiguous(memory_format=layout), targets
