"""The smallest run that has everything: two tasks, two generations, two depths, parts of epochs."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.pipeline import run_stages
from emtnas_hpc.runner.context import Callbacks, Progress, RunContext, log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.loading import build_experiment

TINY: dict[str, Any] = {
    "name": "tiny",
    "tasks": ["digits", "again"],
    "task": {"digits": {"padding": 1}, "again": {"source": "package:digits", "padding": 1}},
    "search": {"generations": 2, "population": 4},
    "supernet": {"channels": 2},
    "training": {"batch_size": 16, "batches": 2},
    "evaluation": {"batch_size": 64, "recalibration_images": 32},
    "retraining": {
        "recipe": "quick",
        "normal_cells": [1, 2],
        "channels": 2,
        "epochs": 1,
        "batch_size": 256,
        "part_batches": 3,
    },
    "run": {"commit_interval_s": 0.0},
}

LABEL = "quick+channels=2+epochs=1+batch_size=256+part_batches=3"
#: In the order in which they are done; two steps each.
RETRAININGS = [f"{task}-n{n}-{LABEL}" for task in ("digits", "again") for n in (1, 2)]


def request_of(directory: Path, data: Path, **sections: dict[str, Any]) -> RunSpec:
    """The request of the tiny run in a directory, with sections changed."""
    table = {**TINY, **{name: {**TINY[name], **sections[name]} for name in sections}}
    experiment = build_experiment(table, REGISTRY)
    return RunSpec(experiment, 0, RunPaths(directory), data, "cpu")


class Told:
    """Callbacks that remember which stages made steps, and may act when one ends."""

    def __init__(self, on_step: Callable[[str, int], None] = lambda _stage, _step: None) -> None:
        self.steps: list[tuple[str, int]] = []
        self.said: list[str] = []
        self._on_step = on_step
        self.callbacks = Callbacks(self._progress)

    @property
    def stages(self) -> list[str]:
        """Those that made steps, in order."""
        return list(dict.fromkeys(stage for stage, _step in self.steps))

    def _progress(self, progress: Progress) -> None:
        stage = str(progress.readings.get("retraining", "search"))
        self.steps.append((stage, progress.step))
        self._on_step(stage, progress.step)


def stopping_at(stage: str, step: int) -> Told:
    """Callbacks that send this process a SIGTERM when a step of a stage has ended."""

    def on_step(ended: str, number: int) -> None:
        if (ended, number) == (stage, step):
            os.kill(os.getpid(), signal.SIGTERM)

    return Told(on_step)


def run(request: RunSpec, told: Told, **context: Any) -> Outcome:
    """Carries a run on."""
    with log_to(told.said.append), StopRequest() as stop:
        return run_stages(request, RunContext(stop, told.callbacks, **context))
