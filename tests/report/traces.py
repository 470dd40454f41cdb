"""Searches to draw: of a fake trainer, and made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from fake import make_header, make_stage

from emtnas_hpc.report.experiments import Searches, experiments_of
from emtnas_hpc.report.load import Run, SeedResult
from emtnas_hpc.report.search_arrays import Trace, trace_of
from emtnas_hpc.search.history import History
from emtnas_hpc.space.architecture import N_GENES


def search(
    n_tasks: int = 2, seed: int = 0, generations: int = 6, until: int | None = None
) -> History:
    """A search of ten individuals up to a generation."""
    stage = make_stage(n_tasks, seed, generations=generations, population=10)
    history = stage.start()
    for _generation in range(until or generations):
        history = stage.advance(history, lambda: False)
    return history


def traces(n: int = 2, **arguments: int) -> list[Trace]:
    """The same search with n seeds."""
    return [trace_of(search(seed=seed, **arguments)) for seed in range(n)]


def by_hand(**changes: object) -> Trace:
    """Two tasks, one individual each, that live through two generations with two children."""
    trace = Trace(
        header=make_header(n_tasks=2, n_generations=2),
        true_fitness=np.array([[0.1, 0.2], [0.3, np.nan]]),
        sampled_accuracy=np.array([[0.2, 0.3], [0.4, 0.5]]),
        seconds=np.array([[60.0, 30.0, 1.0], [20.0, 10.0, 2.0]]),
        population=np.array([[0, 1], [2, 1]]),
        incumbents=np.array([2, 1]),
        chromosomes=np.zeros((4, N_GENES), np.uint8),
        tasks=np.array([0, 1, 0, 1]),
        n_steps=np.array([2, 2, 1, 0]),
        born=np.array([1, 1, 2, 2]),
        # 2 is a child of both tasks; 3 of its own task only.
        parents=np.array([[-1, -1], [-1, -1], [0, 1], [1, -1]]),
        accuracies=np.array([0.2, 0.3, 0.4, 0.1]),
    )
    return replace(trace, **changes)


def drawn(traces: Sequence[Trace]) -> tuple[Searches, ...]:
    """What is drawn of searches that were read from runs."""
    return tuple(map(Searches.of, experiments_of(list(map(_run, traces)))))


def _run(trace: Trace) -> Run:
    header, directory = trace.header, Path(f"seed-{trace.header.seed}")
    result = SeedResult(
        directory=directory,
        name=header.name,
        seed=header.seed,
        signature=header.signature,
        experiment_signature=header.experiment_signature,
        generation=trace.generation,
        n_generations=header.n_generations,
        batch_norm=header.batch_norm,
        condition_changes=(),
        tasks=(),
    )
    return Run(directory, result, trace=trace)
