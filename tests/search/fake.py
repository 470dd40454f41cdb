"""A trainer without images or weights: an individual's accuracy is a function of its chromosome."""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.context import PhaseListener
from emtnas_hpc.runner.loop import Interrupted, StepInterrupted
from emtnas_hpc.search.history import Header, History, TaskHeader
from emtnas_hpc.search.stage import SearchStage, TrainingRecord
from emtnas_hpc.settings.experiment import SearchSettings
from emtnas_hpc.space.architecture import GENE_RANGES, Chromosome, NetworkShape

N_BATCHES = 12


class FakeTrainer:
    """Each task likes another kind of gene; accuracy rises with training, as a supernet's does."""

    def __init__(self, task: int) -> None:
        self.task = task
        self.n_batches = 0
        self.evaluated: list[tuple[int, Chromosome]] = []

    def train(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> TrainingRecord:
        if interrupted():
            raise StepInterrupted
        self.n_batches += N_BATCHES
        n_steps = [0] * len(chromosomes)
        for batch in range(N_BATCHES):
            n_steps[(batch * 7 + generation) % len(chromosomes)] += 1
        return TrainingRecord(2.3 / generation, 0.1, 0.1, tuple(n_steps))

    def evaluate(
        self, chromosomes: Sequence[Chromosome], generation: int, interrupted: Interrupted
    ) -> tuple[float, ...]:
        self.evaluated += [(generation, chromosome) for chromosome in chromosomes]
        return tuple(self.accuracy(chromosome) for chromosome in chromosomes)

    def true_fitness(
        self, chromosome: Chromosome, generation: int, interrupted: Interrupted
    ) -> float:
        return self.accuracy(chromosome)

    def accuracy(self, chromosome: Chromosome) -> float:
        likes = (gene * 7 + self.task * 3 for gene in chromosome)
        quality = sum(like % n for like, n in zip(likes, GENE_RANGES, strict=True))
        return quality / sum(n - 1 for n in GENE_RANGES) * (1 - math.exp(-self.n_batches / 100))

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(self.n_batches))

    def load(self, file: Path) -> None:
        self.n_batches = json.loads(file.read_text())


def make_header(n_tasks: int, n_generations: int, seed: int = 0) -> Header:
    shape = NetworkShape(channels=4, n_normal=1, image_channels=1, image_size=8, n_classes=10)
    tasks = tuple(TaskHeader(f"task{k}", shape, 100, 50) for k in range(n_tasks))
    return Header(
        "fake", seed, n_generations, "batch", f"{seed:064d}", f"{n_tasks}-{n_generations}", tasks
    )


def make_stage(
    n_tasks: int = 2,
    seed: int = 0,
    *,
    on_phase: PhaseListener = lambda _phase, _task: None,
    clock: Callable[[], float] = time.perf_counter,
    **settings: object,
) -> SearchStage:
    """A whole search that takes milliseconds; further arguments are search settings."""
    chosen = SearchSettings.model_validate({"generations": 10, **settings})
    header = make_header(n_tasks, chosen.generations, seed)
    return SearchStage(
        header,
        chosen,
        lambda: [FakeTrainer(task) for task in range(n_tasks)],
        on_phase=on_phase,
        clock=clock,
    )


def commit_search(
    directory: Path,
    *,
    seed: int = 0,
    generations: int = 5,
    until: int | None = None,
    **settings: Any,
) -> History:
    """A run directory such as a search leaves it, made by a fake trainer."""
    paths = RunPaths(directory)
    lease = acquire(paths, this_process())
    store = RunStore(paths, "search", signature="0" * 64, lease=lease)
    stage = make_stage(seed=seed, generations=generations, **settings)
    history = stage.start()
    for step in range(1, (until or generations) + 1):
        history = stage.advance(history, lambda: False)
        store.commit(step, partial(stage.save, history), stage.summary(history))
        store.prune(step)
    lease.release()
    return history
