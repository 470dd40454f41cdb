import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import emtnas_hpc

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "odd 'name\"\n" / "seed-0"


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Starts a process that carries the counting stage on; what is left of it is killed."""
    processes = []
    environment = {**os.environ, "PYTHONPATH": str(Path(emtnas_hpc.__file__).parents[1])}

    def start(*options: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(HERE / "counting.py"), str(directory), *options],
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
