import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from recording import Recording, record_all


@contextmanager
def _surroundings(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """A current directory, a screen of 100 columns, and no settings in the environment."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("EMTNAS_RUNS", "EMTNAS_DATA", "FORCE_COLOR", "SLURM_JOB_ID"):
            patch.delenv(variable, raising=False)
        patch.setenv("COLUMNS", "100")
        patch.setenv("EMTNAS_PROFILES", str(folder.parent / "profiles"))
        patch.chdir(folder)
        yield patch


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """All commands, run once with one thread; their folder is not to be written to."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with _surroundings(tmp_path_factory.mktemp("frozen") / "here") as patch:
        recording = record_all(Path.cwd(), patch)
    torch.set_num_threads(before)
    return recording


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An empty current directory."""
    with _surroundings(tmp_path / "here") as patch:
        yield patch
