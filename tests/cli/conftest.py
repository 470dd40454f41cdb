import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# `fake` makes run directories in no time.
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from command_line import TINY, Emtnas, Start, run_here
from fake_slurm import FakeSlurm
from warm import Warm

Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no settings in the environment."""
    for variable in ("EMTNAS_RUNS", "EMTNAS_DATA", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def emtnas() -> Emtnas:
    """Runs a command in this process."""
    return run_here


@pytest.fixture(scope="session")
def data(once: Once) -> Path:
    """A data directory with prepared digits."""

    def fill(folder: Path) -> None:
        result = run_here("prepare", *TINY, "--data", folder)
        assert result.code == 0, result.err

    return once("data-cli", fill)


@pytest.fixture(scope="session")
def finished(once: Once, data: Path) -> Path:
    """A runs directory with a finished search, `tiny`, of seeds 0 and 1. Not to be written to."""

    def fill(folder: Path) -> None:
        arguments = ("--name", "tiny", "--seeds", 2, "--runs", folder, "--data", data)
        result = run_here("run", *TINY, *arguments)
        assert result.code == 0, result.err

    return once("finished", fill)


@pytest.fixture
def start(start_emtnas: Start) -> Start:
    """Starts a command as a process of its own; what is left of it is killed."""
    return start_emtnas


@pytest.fixture
def warm_children(warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started by sys.executable has imported torch already."""
    monkeypatch.setattr(sys, "executable", warm.python)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of two partitions, and no profiles but the shipped ones."""
    monkeypatch.setenv("EMTNAS_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return FakeSlurm(tmp_path / "commands", monkeypatch)
