import re
from io import StringIO
from pathlib import Path

import pytest
from command_line import TINY, Emtnas
from rich.console import Console

from emtnas_hpc.cli.display import LiveDisplay, PlainDisplay, SeedBars, TimeLeft
from emtnas_hpc.cli.events import SeedEvent, Who, of_experiment, retraining_events
from emtnas_hpc.runner.loop import Progress

TASKS = {
    "cifar10": {"fitness": 0.4567, "true_fitness": 0.4444, "loss": 1.2345},
    "organamnist": {"fitness": 1.0, "true_fitness": None, "loss": 0.01},
}


def _step(step: int, n_steps: int = 300, seconds: float = 12.0) -> SeedEvent:
    return SeedEvent(0, "step", step=step, n_steps=n_steps, seconds=seconds, tasks=TASKS)


def test_plain_lines_tell_every_generation_and_message_but_no_phases(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PlainDisplay()
    display(SeedEvent(0, "phase", text="training cifar10"))
    display(SeedEvent(0, "message", text="something to know"))
    display(_step(1))
    out, err = capsys.readouterr()
    message, generation = err.splitlines()
    assert out == ""
    assert message == "seed 0: something to know"
    assert re.fullmatch(r"\d\d:\d\d:\d\d", generation[:8])
    assert generation[9:] == (
        "seed 0: generation 1/300, 12.0 s, 59 min 48 s left: cifar10: fitness 45.7 %, "
        "true 44.4 %, loss 1.234 | organamnist: fitness 100.0 %, loss 0.010"
    )


def test_plain_lines_tell_the_steps_of_a_retraining_by_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PlainDisplay()
    display(_step(299))
    display(_retraining_step(1))
    line = capsys.readouterr().err.splitlines()[1]
    assert line[9:] == (
        "seed 0: step 1/600, 60.0 s, 9 h 59 min left: cifar10-n2-long: epoch 1/600, loss 1.900, "
        "training accuracy 31.0 %"
    )


def _retraining_step(step: int) -> SeedEvent:
    text = "epoch 1/600, loss 1.900, training accuracy 31.0 %"
    name = "cifar10-n2-long"
    return SeedEvent(0, "step", step=step, n_steps=600, seconds=60.0, text=text, retraining=name)


def test_a_retraining_is_told_step_by_step_and_with_its_verdict_at_the_end() -> None:
    summary = {
        "retraining": "cifar10-n2-long",
        "epoch": 1,
        "n_epochs": 600,
        "loss": 1.9,
        "accuracy": 0.31,
        "test_accuracy": None,
    }
    assert retraining_events(0, Progress(1, 600, 60.0, summary)) == [_retraining_step(1)]
    last = summary | {"loss": None, "test_accuracy": 0.9712}
    step, verdict = retraining_events(0, Progress(600, 600, 60.0, last))
    assert "loss diverged" in step.text
    assert verdict.text == "cifar10-n2-long: test accuracy 97.1 %"


def _live(console: Console, *events: SeedEvent) -> str:
    """The screen after these events."""
    with SeedBars(console) as bars:
        display = LiveDisplay(bars, {Who(0): 300, Who(11): 300})
        for event in events:
            display(event)
        screen = Console(file=StringIO(), width=80)
        screen.print(bars.get_renderable())
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


@pytest.fixture
def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=80, color_system=None)


def test_the_live_display_has_a_bar_a_seed_and_a_line_a_task(terminal: Console) -> None:
    shown = _live(terminal, _step(30), SeedEvent(0, "phase", text="true fitness organamnist"))
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines == [
        f"seed 0 ━━{' ' * 18}  30/300 54 min 00 s left true fitness organamnist",
        "  cifar10: fitness 45.7 %, true 44.4 %, loss 1.234",
        "  organamnist: fitness 100.0 %, loss 0.010",
        f"seed 11 {' ' * 20}   0/300",
    ]
    assert max(map(len, lines)) <= 80


def test_the_live_display_follows_a_run_from_its_search_to_its_retrainings(
    terminal: Console,
) -> None:
    shown = _live(terminal, _step(300), _retraining_step(150))
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[0] == f"seed 0 {'━' * 5}{' ' * 15} 150/600 7 h 30 min left"
    assert lines[1].startswith("  cifar10-n2-long: epoch 1/600, loss 1.900, ")


def test_the_live_display_prints_messages_above_the_bars(terminal: Console) -> None:
    _live(terminal, SeedEvent(11, "message", text="waiting for [data]"))
    assert isinstance(terminal.file, StringIO)
    assert "seed 11: waiting for [data]" in terminal.file.getvalue()


def test_the_live_display_says_when_a_seed_is_done(terminal: Console) -> None:
    events = (
        _step(300),
        SeedEvent(0, "phase", text="commit"),
        SeedEvent(0, "message", text="finished"),
    )
    assert "300/300 done\n" in re.sub(r" +", " ", _live(terminal, *events)).replace(" \n", "\n")


def test_of_more_experiments_than_fit_only_those_that_are_under_way_have_a_bar(
    terminal: Console,
) -> None:
    steps = {Who(seed, f"x{seed}"): 300 for seed in range(13)}
    with SeedBars(terminal) as bars:
        display = LiveDisplay(bars, steps)
        for seed in (3, 5):
            of_experiment(f"x{seed}", display)(SeedEvent(seed, "phase", text="training a"))
        of_experiment("x3", display)(SeedEvent(3, "end"))
        screen = Console(file=StringIO(), width=80)
        screen.print(bars.get_renderable())
    assert isinstance(screen.file, StringIO)
    (line,) = screen.file.getvalue().splitlines()
    assert line.startswith("x5 seed 5 ")
    assert line.rstrip().endswith("0/300  training a")


def test_lines_of_a_study_begin_with_the_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    display = of_experiment("cifar+rmp=0.1", PlainDisplay())
    display(SeedEvent(0, "message", text="something to know"))
    display(_step(1))
    display(SeedEvent(0, "end"))
    message, generation = capsys.readouterr().err.splitlines()
    assert message == "cifar+rmp=0.1 seed 0: something to know"
    assert generation[9:].startswith("cifar+rmp=0.1 seed 0: generation 1/300, ")


def test_the_time_left_follows_the_recent_generations_of_each_seed() -> None:
    time_left = TimeLeft()
    assert time_left.after(_step(1, 100, 1000.0)) == "1 d 3 h left"
    for step in range(2, 12):
        text = time_left.after(_step(step, 100, 2.0))
    assert text == "2 min 58 s left"
    other = SeedEvent(1, "step", step=50, n_steps=100, seconds=1.0)
    assert time_left.after(other) == "50 s left"
    assert time_left.after(_step(100, 100)) == "done"


def test_on_a_terminal_a_search_is_shown_live(
    emtnas: Emtnas, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    result = emtnas("run", *TINY, "--name", "live", "--data", data)
    assert result.code == 0
    assert "━" * 20 in result.err
    assert "2/2 done" in result.err
    assert "seed 0: finished, 2 generations" in result.err
