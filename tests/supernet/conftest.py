from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from emtnas_hpc.space.architecture import (
    Architecture,
    CellArchitecture,
    Edge,
    NetworkShape,
    decode,
    random_chromosome,
)
from emtnas_hpc.supernet.network import Network

#: Every test's frame unless it says otherwise.
SHAPE = NetworkShape(channels=4, n_normal=1, image_channels=3, image_size=8, n_classes=5)


@pytest.fixture(autouse=True)
def one_thread():
    """Two cores are shared by all workers of a test run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shape() -> NetworkShape:
    return SHAPE


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def architecture() -> Callable[[int], Architecture]:
    """The random architecture of a number."""
    return lambda number: decode(random_chromosome(np.random.default_rng(number)))


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """A network, float64 so that equality means something, with weights of a number."""

    def make(shape=SHAPE, architecture=None, seed=0, dtype=torch.float64) -> Network:
        return Network(shape, architecture, torch.Generator().manual_seed(seed), dtype=dtype)

    return make


@pytest.fixture(scope="session")
def shared_network() -> Callable[..., Network]:
    """The float64 supernet of a shape, made once for all tests that take it as it comes."""
    return cache(
        lambda shape=SHAPE: Network(
            shape, None, torch.Generator().manual_seed(0), dtype=torch.float64
        )
    )


@pytest.fixture
def batch() -> Callable[..., tuple[Tensor, Tensor]]:
    """Images and classes of a mini-batch."""

    def draw(shape=SHAPE, n=6, seed=0, dtype=torch.float64) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(seed)
        size = (n, shape.image_channels, shape.image_size, shape.image_size)
        images = torch.randn(size, generator=rng, dtype=dtype)
        return images, torch.randint(shape.n_classes, (n,), generator=rng)

    return draw


def cell_of(*blocks: tuple[int, int, int, int]) -> CellArchitecture:
    """A cell from (source_a, source_b, operation_a, operation_b) of every block."""
    return CellArchitecture(
        tuple(
            (Edge(number, a, op_a), Edge(number, b, op_b))
            for number, (a, b, op_a, op_b) in enumerate(blocks)
        )
    )


@pytest.fixture
def special() -> dict[str, Architecture]:
    """Architectures that random draws seldom give."""
    both = cell_of((0, 1, 0, 3), (0, 1, 4, 7), (2, 3, 1, 8), (0, 2, 6, 5), (1, 0, 2, 6))
    without_x = cell_of((1, 1, 0, 3), (1, 2, 4, 7), (2, 3, 1, 8), (1, 2, 6, 5), (1, 4, 2, 6))
    without_x_prev = cell_of((0, 0, 0, 3), (0, 2, 4, 7), (2, 3, 1, 8), (0, 2, 6, 5), (0, 4, 2, 6))
    twice = cell_of((0, 0, 0, 0), (1, 1, 4, 4), (2, 2, 3, 3), (0, 1, 6, 6), (1, 0, 8, 7))
    chain = cell_of((0, 1, 6, 6), (2, 2, 0, 1), (3, 3, 3, 4), (4, 4, 7, 8), (5, 5, 5, 2))
    identities = cell_of(*[(0, 1, 6, 6)] * 5)
    return {
        "normal cells ignore x": Architecture(both, without_x),
        "normal cells ignore x_prev": Architecture(both, without_x_prev),
        "reduction cells ignore x": Architecture(without_x, both),
        "reduction cells ignore x_prev": Architecture(without_x_prev, both),
        "all cells ignore x": Architecture(without_x, without_x),
        "both branches select one operation": Architecture(twice, twice),
        "a chain has one output": Architecture(chain, chain),
        "nothing but identities": Architecture(identities, identities),
    }
