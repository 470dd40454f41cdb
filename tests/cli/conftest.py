import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import emtnas_hpc

sys.path.insert(0, str(Path(__file__).parent))

from command_line import TINY, Emtnas, Start, run_here


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
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with prepared digits."""
    directory = tmp_path_factory.mktemp("data")
    result = run_here("prepare", *TINY, "--data", directory)
    assert result.code == 0, result.err
    return directory


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A runs directory with a finished search, `tiny`, of seeds 0 and 1. Not to be written to."""
    runs = tmp_path_factory.mktemp("runs")
    arguments = ("--name", "tiny", "--seeds", 2, "--runs", runs, "--data", data)
    result = run_here("run", *TINY, *arguments)
    assert result.code == 0, result.err
    return runs


@pytest.fixture
def environment() -> dict[str, str]:
    """In which a process of its own finds the package."""
    return {**os.environ, "PYTHONPATH": str(Path(emtnas_hpc.__file__).parents[1])}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts a command as a process of its own; what is left of it is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "emtnas_hpc", *map(str, arguments)],
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
