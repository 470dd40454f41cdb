"""Run directories such as five seeds of the CIFAR search leave them near the end of all work."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from emtnas_hpc.checkpoint.paths import RunPaths, seed_run
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.slurm.job_files import JobRecord, JobSpec, job_name, write_job_spec, write_record
from emtnas_hpc.slurm.profile import Profile

_TESTS = Path(__file__).parents[2] / "tests"
_N_SEEDS = 5
#: The last of four retrainings is half done.
_NORMAL_CELLS, _EPOCHS, _HALF = (2, 3), 600, 300
_LAST = "retraining/cifar100-n3-long"
#: As the table has the stage that is under way.
SHOWN = f"cifar100-n3 {_HALF}/{_EPOCHS}"
_ATTEMPTS, _COMMITS = 6, 50


def make_runs(runs: Path, n_runs: int) -> Iterator[str]:
    """Makes so many directories; of every other one yields a job that runs, as squeue shows it."""
    models = _make_models(runs.with_name("models"))
    for n in range(n_runs):
        name = f"search-{n // _N_SEEDS}"
        run = seed_run(runs, name, n % _N_SEEDS)
        shutil.copytree(models[n % _N_SEEDS], run.directory)
        # No two experiments share their settings.
        settings = run.experiment.read_text()
        run.experiment.write_text(settings.replace('name = "cifar"', f'name = "{name}"'))
        record = _write_job(run, n)
        if n % 2:
            yield f"{n}|{record.name}|RUNNING|None|1|N/A||n1|"


def _write_job(run: RunPaths, n: int) -> JobRecord:
    spec = JobSpec(
        profile=Profile(partition="gpu", time=600), data="", device="cuda", prepare_command=""
    )
    write_job_spec(run.jobs, spec, "bench")
    record = JobRecord(f"{n:08x}", job_name(run, f"{n:08x}"), n, None, str(n))
    write_record(run.jobs, record)
    return record


def _make_models(folder: Path) -> list[Path]:
    sys.path[:0] = [str(_TESTS / "search"), str(_TESTS / "report")]
    from fake_runs import Retrained, make_run

    whole = Retrained(_NORMAL_CELLS, epochs_in_all=_EPOCHS)
    half = Retrained(_NORMAL_CELLS, epochs_in_all=_EPOCHS, epochs=_HALF)
    models = []
    for seed in range(_N_SEEDS):
        model = make_run(folder / "whole", seed=seed, retrained=whole)
        other = make_run(folder / "half", seed=seed, retrained=half)
        shutil.rmtree(model / _LAST)
        shutil.copytree(other / _LAST, model / _LAST)
        shutil.rmtree(model / "attempts")
        _make_attempts(RunPaths(model))
        models.append(model)
    return models


def _make_attempts(run: RunPaths) -> None:
    for n in range(_ATTEMPTS):
        attempt = Attempt(run, f"attempt{n}", {"job_id": str(n), "restart_count": 0})
        for commit in range(_COMMITS):
            attempt.event("committed", stage="search", step=commit, seconds=0.3, tasks=_summary())
        attempt.close()


def _summary() -> dict[str, dict[str, float]]:
    each = {"fitness": 0.9123456789, "true_fitness": 0.9123456789, "loss": 0.123456789}
    return {"cifar10": each, "cifar100": each}
