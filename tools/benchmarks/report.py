"""`emtnas-hpc report` over many finished run directories, as a user waits for it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report_runs import PRESETS, make_runs
from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import Time, median

#: Generations, seeds, and of which experiments.
_WHOLE, _QUICK = (100, 4, PRESETS), (3, 1, PRESETS[-4:])
FORMATS = ("screen", "markdown", "latex", "csv", "json")
#: ms for a text format, ms for figures and page and all of these, MB.
TARGET_MS, TARGET_ALL_MS, TARGET_MB = 10_000, 60_000, 1000


def measure(settings: Settings) -> list[Row]:
    """Times the command over Table 2's runs and baselines: every text format, and all files."""
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.directory))
    generations, seeds, presets = _QUICK if settings.quick else _WHOLE
    try:
        n_runs = len(make_runs(directory, generations, seeds, presets))
        what = f"report, {n_runs} runs of {generations} generations"
        wanted = [(name, ["--format", name], TARGET_MS) for name in FORMATS]
        output = ["--output", str(directory / "report")]
        wanted.append(("all files", output, TARGET_ALL_MS))
        rows, most = [], 0.0
        for name, options, target in wanted:
            found = [_time(directory, options) for _repetition in range(settings.repetitions)]
            wall, cpu = median([used for used, _memory in found])
            most = max(most, *(memory for _used, memory in found))
            rows.append(Row(f"{what}: {name}", "ms", 1e3 * wall, 1e3 * cpu, 1, target))
        return [*rows, Row(f"{what}: memory", "MB", most, target=TARGET_MB)]
    finally:
        shutil.rmtree(directory)


def _time(runs: Path, options: list[str]) -> tuple[Time, float]:
    """One process: its time, and the most memory that it took in MB."""
    command = [sys.executable, "-m", "emtnas_hpc", "report", "--runs", str(runs)]
    start = time.perf_counter()
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"report {' '.join(options)} left with {process.returncode}")
    wall = time.perf_counter() - start
    return Time(wall, used.ru_utime + used.ru_stime), used.ru_maxrss / 1024
