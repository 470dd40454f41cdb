import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.runner.context import log_to

SHARED = Path(__file__).parents[2] / "../shared/data"

Arrays = dict[str, Any]


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs the real images in {SHARED}")
    return SHARED.resolve()


@pytest.fixture
def arrays() -> Arrays:
    """60 training images of 3 classes and 2 sizes of other sets, 8x8, greyscale."""
    rng = np.random.default_rng(0)
    made: Arrays = {}
    for split, n in (("train", 60), ("val", 12), ("test", 9)):
        made[f"{split}_images"] = rng.integers(0, 256, (n, 8, 8), np.uint8)
        made[f"{split}_labels"] = np.arange(n, dtype=np.int64) % 3
    return made


@pytest.fixture
def npz(tmp_path: Path, arrays: Arrays) -> Path:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What has been logged."""
    logged: list[str] = []
    with log_to(logged.append):
        yield logged


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """Makes the system refuse to write files longer than so many bytes, as a full disk would."""
    import resource

    @contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def frozen() -> Callable[[TaskData], tuple[str, str, str]]:
    """What must not move: the manifest's bytes, and the digests without and with the test set."""

    def sha256_and_digests(data: TaskData) -> tuple[str, str, str]:
        content = (data.folder / "manifest.json").read_bytes()
        return hashlib.sha256(content).hexdigest(), data.digest, data.digest_with_test

    return sha256_and_digests
