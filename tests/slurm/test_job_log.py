import re

import pytest

from emtnas_hpc.runner.loop import Progress
from emtnas_hpc.slurm.worker import print_line, print_progress


def _line(capfd: pytest.CaptureFixture[str]) -> str:
    out = capfd.readouterr().out
    match = re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)\n", out)
    assert match, out
    return match[1]


def test_a_message_is_one_line_with_its_time(capfd: pytest.CaptureFixture[str]) -> None:
    print_line("one\n two")
    assert _line(capfd) == "one two"


def test_a_generation_is_told_with_what_its_fittest_reached(
    capfd: pytest.CaptureFixture[str],
) -> None:
    tasks = {
        "digits": {"fitness": 0.5, "true_fitness": 0.25, "loss": 2.0},
        "again": {"fitness": 0.125, "true_fitness": None, "loss": 2.0},
    }
    print_progress(Progress(3, 300, 1.234, {"tasks": tasks}))
    assert _line(capfd) == (
        "generation 3/300, 1.2 s: digits fitness 50.00, true 25.00; again fitness 12.50"
    )


def test_what_diverged_has_no_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    tasks = {"digits": {"fitness": 0.5, "true_fitness": 0.25, "loss": None}}
    print_progress(Progress(3, 300, 1.2, {"tasks": tasks}))
    assert _line(capfd) == "generation 3/300, 1.2 s: digits diverged"
    summary = {"retraining": "digits-n2", "epoch": 4, "accuracy": 0.5, "test_accuracy": None}
    print_progress(Progress(4, 4, 1.0, {**summary, "diverged": "epoch 4"}))
    assert _line(capfd) == "digits-n2: epoch 4, step 4/4, 1.0 s: diverged"


def test_a_step_of_a_retraining_is_told_by_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    summary = {"retraining": "digits-n2", "epoch": 4, "accuracy": 0.5, "test_accuracy": None}
    print_progress(Progress(7, 600, 1.0, summary))
    assert _line(capfd) == "digits-n2: epoch 4, step 7/600, 1.0 s: accuracy 50.00"
