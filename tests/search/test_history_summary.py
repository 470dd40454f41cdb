import math
import statistics
from dataclasses import dataclass, replace

import pytest
from fake import make_stage

from emtnas_hpc.checkpoint.manifest import TaskSummary
from emtnas_hpc.search.history import History


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


def test_a_summary_has_the_best_true_fitness_of_every_task() -> None:
    history = _history(12)
    summary = history.summary
    assert (summary.step, summary.n_steps, summary.finished) == (12, 20, False)
    assert summary.experiment_signature == history.header.experiment_signature
    assert summary.tasks == {
        f"task{task}": TaskSummary(history.best_true_fitness(task)) for task in range(3)
    }


def test_seconds_are_the_median_of_the_newest_ten_over_all_tasks_and_phases() -> None:
    clock = Clock(seconds_a_look=1000.0)
    stage = make_stage(n_tasks=3, generations=20, clock=clock)
    history = stage.start()
    for generation in range(12):
        clock.seconds_a_look = 1.0 if generation >= 2 else 1000.0
        history = stage.advance(history, lambda: False)
    seconds = history.summary.seconds
    assert seconds is not None
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
    assert seconds == pytest.approx(statistics.median(sums[2:]))
    assert seconds < min(sums[:2])


def test_a_task_that_diverged_is_told_with_its_first_generation() -> None:
    history = _history(4)
    for number, loss in ((2, math.inf), (3, 1.0), (4, math.nan)):
        generation = history.generations[number - 1]
        tasks = list(generation.tasks)
        tasks[1] = replace(tasks[1], train_loss=loss)
        history.generations[number - 1] = replace(generation, tasks=tuple(tasks))
    told = history.summary.tasks
    assert [told[name].diverged for name in told] == ["", "generation 2", ""]
    assert told["task1"].accuracy is None
    assert [history.diverged_in(task) for task in range(3)] == [None, 2, None]


def test_before_the_first_measurement_nothing_is_known() -> None:
    summary = _history(0).summary
    assert (summary.step, summary.seconds) == (0, None)
    assert all(task == TaskSummary(None) for task in summary.tasks.values())
