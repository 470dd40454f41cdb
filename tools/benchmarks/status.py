"""`emtnas-hpc status` over many run directories, as a user waits for it: the whole command."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import Time, median
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.records import JobRecord, job_name, write_record
from emtnas_hpc.cluster.request import JobRequest, write_request
from emtnas_hpc.evolution.individual import Individual
from emtnas_hpc.evolution.population import initial_population
from emtnas_hpc.history import (
    FILE_NAME,
    Generation,
    Header,
    History,
    TaskGeneration,
    TaskHeader,
    write_history,
)
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.space.shape import NetworkShape
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.run_store import RunStore

N_RUNS = 200
N_SEEDS = 5
TARGET_MS = 2000
_GENERATIONS, _DONE, _POPULATION = 300, 290, 20
_STARTS, _COMMITS = 6, 50


def measure(settings: Settings) -> list[Row]:
    """Times the command over run directories such as the CIFAR search leaves them near its end."""
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.directory))
    try:
        lines = list(_make_runs(directory / "runs"))
        calls = _write_commands(directory / "commands", lines)
        times = [_time(directory) for _repetition in range(max(settings.repetitions, 1))]
        n_calls = len(calls.read_text().splitlines()) // len(times)
        wall, cpu = median(times)
        what = f"status, {N_RUNS} runs, {n_calls} calls of SLURM"
        return [Row(what, "ms", 1e3 * wall, 1e3 * cpu, 1, TARGET_MS)]
    finally:
        shutil.rmtree(directory)


def _time(directory: Path) -> Time:
    path = f"{directory / 'commands'}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "emtnas_hpc", "status", "--runs", directory / "runs"]
    wall, cpu = time.perf_counter(), _children_s()
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    found = Time(time.perf_counter() - wall, _children_s() - cpu)
    if done.stderr or done.stdout.count(f"{_DONE}/{_GENERATIONS}") != N_RUNS:
        raise RuntimeError(f"status did not show {N_RUNS} runs: {done.stderr}")
    return found


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _make_runs(runs: Path) -> Iterator[str]:
    """Makes the directories; of every other seed yields a job that runs, as squeue shows it."""
    first = RunPaths(runs / "search-0" / "seed-0")
    _make_run(first)
    profile = Profile(partition="gpu", time=600)
    request = JobRequest(profile=profile, data="", device="cuda", mend="")
    for n in range(N_RUNS):
        run = RunPaths(runs / f"search-{n // N_SEEDS}" / f"seed-{n % N_SEEDS}")
        if run != first:
            shutil.copytree(first.directory, run.directory)
        write_request(run.jobs, request, "bench")
        record = JobRecord(f"{n:08x}", job_name(run, f"{n:08x}"), n, None, str(n))
        write_record(run.jobs, record)
        if n % 2:
            yield f"{n}|{record.name}|RUNNING|None|1|N/A|N/A||n1|gpu|"


def _make_run(run: RunPaths) -> None:
    claim = take(run, this_process(), say=lambda _line: None)
    history = _history()
    store = RunStore(run, "search", signature="bench", claim=claim)
    store.commit(history.generation, lambda folder: write_history(history, folder / FILE_NAME))
    claim.release()
    for start in range(_STARTS):
        attempt = Attempt(run, f"start{start}", {"job_id": str(start), "restart_count": 0})
        for commit in range(_COMMITS):
            attempt.event("committed", stage="search", step=commit, seconds=0.3, tasks=_summary())
        attempt.close()


def _summary() -> dict[str, dict[str, float]]:
    each = {"fitness": 0.9123456789, "true_fitness": 0.9123456789, "loss": 0.123456789}
    return {"cifar10": each, "cifar100": each}


def _history() -> History:
    rng = np.random.default_rng(0)
    shape = NetworkShape(20, 1, 3, 32, 100)
    tasks = tuple(TaskHeader(name, shape, 40_000, 10_000) for name in _summary())
    history = History(Header("bench", 0, _GENERATIONS, "recalibrated", "s" * 64, "e" * 64, tasks))
    for number in range(1, _DONE + 1):
        born = tuple(_born(number, rng))
        ids = tuple(individual.id for individual in born)
        task = TaskGeneration(ids[0], 0.9, ids[0], 0.1, 0.9, 0.1, 313, 1e6, 1e8, 60, 20, 0.1, 5)
        fitness = tuple(individual.fitness for individual in born)
        history.add(born, Generation(number, ids, fitness, 10, 3, (task, task)))
    return history


def _born(generation: int, rng: np.random.Generator) -> Iterable[Individual]:
    half = _POPULATION // 2
    for i, individual in enumerate(initial_population((half, half), rng)):
        number = (generation - 1) * _POPULATION + i
        yield replace(individual, id=number, generation=generation, fitness=float(rng.random()))


def _write_commands(folder: Path, lines: list[str]) -> Path:
    """An squeue and an sacct that answer at once; returns the file that counts their calls."""
    folder.mkdir()
    (folder / "queue").write_text("".join(f"{line}\n" for line in lines))
    for name, script in (("squeue", f"cat {folder}/queue"), ("sacct", "echo '0|TIMEOUT'")):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} >> {folder}/calls\n{script}\n")
        program.chmod(0o755)
    return folder / "calls"
