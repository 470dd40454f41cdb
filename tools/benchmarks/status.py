"""`emtnas-hpc status` over many run directories, as a user waits for it: the whole command."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.status_runs import SHOWN, make_runs
from benchmarks.timing import Time, median

TARGET_MS = 2000
_RUNS, _QUICK_RUNS = 200, 20


def measure(settings: Settings) -> list[Row]:
    """Times the command over run directories of finished searches with four retrainings each."""
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.directory))
    try:
        n_runs = _QUICK_RUNS if settings.quick else _RUNS
        lines = list(make_runs(directory / "runs", n_runs))
        calls = _write_commands(directory / "commands", lines)
        times = [_time(directory, n_runs) for _repetition in range(settings.repetitions)]
        n_calls = len(calls.read_text().splitlines()) // len(times)
        wall, cpu = median(times)
        what = f"status, {n_runs} runs, {n_calls} calls of SLURM"
        return [Row(what, "ms", 1e3 * wall, 1e3 * cpu, 1, TARGET_MS)]
    finally:
        shutil.rmtree(directory)


def _time(directory: Path, n_runs: int) -> Time:
    path = f"{directory / 'commands'}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "emtnas_hpc", "status", "--runs", str(directory / "runs")]
    wall, cpu = time.perf_counter(), _children_s()
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    found = Time(time.perf_counter() - wall, _children_s() - cpu)
    if done.stderr or done.stdout.count(SHOWN) != n_runs:
        raise RuntimeError(f"status did not show {n_runs} runs: {done.stderr}")
    return found


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _write_commands(folder: Path, lines: list[str]) -> Path:
    """An squeue and an sacct that answer at once; returns the file that counts their calls."""
    folder.mkdir()
    (folder / "queue").write_text("".join(f"{line}\n" for line in lines))
    for name, script in (("squeue", f"cat {folder}/queue"), ("sacct", "echo '0|TIMEOUT'")):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} >> {folder}/calls\n{script}\n")
        program.chmod(0o755)
    return folder / "calls"
