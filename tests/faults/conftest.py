import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "odd 'name\"\n" / "seed-0"


@pytest.fixture
def run_script(environment: dict[str, str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a script that lies beside this file to its end."""

    def run(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(HERE / name), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def start(directory: Path, start_python: Start) -> Start:
    """Starts a process that carries the counting stage on; what is left of it is killed."""
    return partial(start_python, HERE / "counting.py", directory)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB, which takes root to mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    try:
        refusal = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if refusal.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {refusal.stderr.strip()}")
    yield disk
    # Lazily: a writer that failed may still hold its file open.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
