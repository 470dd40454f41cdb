import fcntl
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

import emtnas_hpc

sys.path.insert(0, str(Path(__file__).parent))

from warm import LIGHT, Warm, WarmProcess

if TYPE_CHECKING:
    from emtnas_hpc.checkpoint.paths import RunPaths

# The same examples every time, and none fails because the machine is busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")

# torch's many objects outlive every test: looking through them less often saves several percent.
gc.set_threshold(100_000, 50, 100)

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite tests/golden")


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a file in tests/golden, whole; only tools/update-goldens writes it."""

    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-goldens"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing; tools/update-goldens writes it"
        assert text == file.read_text(encoding="utf-8")

    return check


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., Path]:
    """Writes small JPEGs below `train` and `val`: a colour a class, grain and sizes at random."""
    import numpy as np
    from PIL import Image

    def make(folder: Path, n_classes: int = 3, n_train: int = 20, n_val: int = 5) -> Path:
        rng = np.random.default_rng(0)
        for part, n in (("train", n_train), ("val", n_val)):
            for label in range(n_classes):
                within = folder / part / f"n{label:04}"
                within.mkdir(parents=True)
                colour = np.array([40 * label, 120, 200 - 40 * label])
                for number in range(n):
                    grain = rng.integers(0, 50, (*rng.integers(70, 110, 2), 3))
                    picture = Image.fromarray((colour + grain).clip(0, 255).astype(np.uint8))
                    picture.save(within / f"{number:02}.JPEG")
        return folder

    return make


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two cores are shared by all workers of a test run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def common(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a test run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "common"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(common: Path) -> Callable[[str, Callable[[Path], object]], Path]:
    """Has a folder of this name filled once for all workers of a test run; it is not to be written
    to afterwards."""

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = common / name, common / f"{name}.done"
        with done.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                # What a worker has left that did not come to its end.
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def shared_data(common: Path) -> Path:
    """A data directory that is filled by whoever needs a data set first."""
    folder = common / "data"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def whole_run(once: Callable[..., Path], shared_data: Path) -> "RunPaths":
    """A run that came to its end without a stop, with retrainings of both tasks, one and two
    normal cells deep. Not to be written to."""
    from whole_runs import Told, request_of, run

    def fill(folder: Path) -> None:
        run(request_of(folder / "tiny/seed-0", shared_data), Told())

    return request_of(once("whole", fill) / "tiny/seed-0", shared_data).paths


@pytest.fixture
def environment() -> dict[str, str]:
    """In which a process of its own finds the package."""
    return {**os.environ, "PYTHONPATH": str(Path(emtnas_hpc.__file__).parents[1])}


@pytest.fixture
def start_python(environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts Python with these arguments as a process; what is left of it is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Starts commands of ours as processes that have imported torch already."""
    forked = Warm()
    yield forked
    forked.close()


@pytest.fixture(scope="session")
def warm_without_torch() -> Iterator[Warm]:
    """Starts what looks at runs, as processes that have imported all but torch already."""
    forked = Warm(LIGHT)
    yield forked
    forked.close()


@pytest.fixture
def start_emtnas(warm: Warm, environment: dict[str, str]) -> Iterator[Callable[..., WarmProcess]]:
    """Starts a command as a process of its own; what is left of it is killed."""
    processes: list[WarmProcess] = []

    def start(*arguments: object, **options: Any) -> WarmProcess:
        process = warm.start(*arguments, env=environment, **options)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
