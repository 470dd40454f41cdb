import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from warm import Warm

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
def kill_loop(
    warm: Warm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., dict[str, Any]]:
    """Runs tools/kill-loop, with some of its settings changed; it has to find nothing, and its
    processes start warm. Returns what it did."""
    tool = HERE.parents[1] / "tools/kill-loop"
    results = tmp_path / "results.json"

    def run(*arguments: str, settings: tuple[str, ...] = ()) -> dict[str, Any]:
        module = ModuleType("kill_loop")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(tool.read_text(encoding="utf-8"), str(tool), "exec"), module.__dict__)
        monkeypatch.setattr(module, "subprocess", warm.as_subprocess())
        for name in ("SETTINGS", "RETRAINING"):
            # The last one of a setting holds, and a retraining has both.
            monkeypatch.setattr(module, name, (*getattr(module, name), *settings))
        monkeypatch.setattr(sys, "argv", [str(tool), *arguments, "--json", str(results)])
        monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        try:
            code = module.main()
        finally:
            warm.clear_up()
        out, err = capsys.readouterr()
        assert code == 0, out + err
        assert "equal bit for bit" in out
        (result,) = json.loads(results.read_text())
        return dict(result)

    return run


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
