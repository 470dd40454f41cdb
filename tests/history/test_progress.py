import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fake import make_stage

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.history import FILE_NAME, History, write_history
from emtnas_hpc.history.progress import read_progress


@dataclass
class Clock:
    """Goes on whenever somebody looks."""

    seconds_a_look: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.seconds_a_look
        return self.now


def _history(n: int, **settings: object) -> History:
    stage = make_stage(n_tasks=3, generations=20, **settings)
    history = stage.start()
    for _generation in range(n):
        history = stage.advance(history, lambda: False)
    return history


def test_progress_agrees_with_the_whole_history(tmp_path: Path) -> None:
    history = _history(12)
    write_history(history, tmp_path / FILE_NAME)
    progress = read_progress(tmp_path / FILE_NAME)
    assert (progress.header, progress.generation) == (history.header, 12)
    assert progress.true_fitness == tuple(history.best_true_fitness(task) for task in range(3))


def test_seconds_are_the_median_of_the_newest_ten_over_all_tasks_and_phases(
    tmp_path: Path,
) -> None:
    clock = Clock(seconds_a_look=1000.0)
    stage = make_stage(n_tasks=3, generations=20, clock=clock)
    history = stage.start()
    for generation in range(12):
        clock.seconds_a_look = 1000.0 if generation in (0, 1, 7) else 1.0
        history = stage.advance(history, lambda: False)
    write_history(history, tmp_path / FILE_NAME)
    progress = read_progress(tmp_path / FILE_NAME)
    sums = [
        sum(
            task.seconds_training
            + task.seconds_evaluation
            + task.seconds_search
            + task.seconds_true_fitness
            for task in generation.tasks
        )
        for generation in history.generations
    ]
    assert progress.seconds == pytest.approx(statistics.median(sums[2:]))
    assert progress.seconds < min(sums[:2])
    assert progress.seconds_left == pytest.approx(8 * progress.seconds)


def test_a_task_that_diverged_is_told_with_its_first_generation(tmp_path: Path) -> None:
    history = _history(4)
    for number, loss in ((2, math.inf), (3, 1.0), (4, math.nan)):
        generation = history.generations[number - 1]
        tasks = list(generation.tasks)
        tasks[1] = replace(tasks[1], train_loss=loss)
        history.generations[number - 1] = replace(generation, tasks=tuple(tasks))
    write_history(history, tmp_path / FILE_NAME)
    assert read_progress(tmp_path / FILE_NAME).diverged_in == (None, 2, None)
    assert [history.diverged_in(task) for task in range(3)] == [None, 2, None]


def test_before_the_first_measurement_nothing_is_known(tmp_path: Path) -> None:
    write_history(_history(0), tmp_path / FILE_NAME)
    progress = read_progress(tmp_path / FILE_NAME)
    assert progress.generation == 0
    assert math.isnan(progress.seconds)
    assert all(map(math.isnan, progress.true_fitness))


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"noise")
    with pytest.raises(DamagedError, match="cannot be read as the history of a search"):
        read_progress(tmp_path / FILE_NAME)
    with pytest.raises(FileNotFoundError):
        read_progress(tmp_path / "missing")
