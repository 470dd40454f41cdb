"""What a child that searches one seed is told."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Emtnas

from emtnas_hpc.cli.app import load_command
from emtnas_hpc.cli.run import RunOptions
from emtnas_hpc.cli.seeds import load_named

#: Every option of `run` with a value that is not its default.
OPTIONS = {
    "experiment": ("quickstart",),
    "set_": ("--set", "search.rmp=0.1", "--set", 'tasks=["digits"]'),
    "name": ("--name", "mine"),
    "seeds": ("--seeds", "7,8"),
    "parallel": ("--parallel", "2"),
    "runs": ("--runs", "my runs"),
    "data": ("--data", "my data"),
    "device": ("--device", "cuda:1"),
    "take_over": ("--take-over",),
    "json_": ("--json",),
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """What `run` is told to do; nothing is done."""
    heard: list[RunOptions] = []

    def hear(order: RunOptions, *, as_json: bool, as_events: bool) -> int:
        assert as_json != as_events
        heard.append(order)
        return 0

    monkeypatch.setattr("emtnas_hpc.cli.run.run_seeds", hear)
    return heard


def test_every_option_of_run_is_known_to_these_tests() -> None:
    command = load_command("run")
    assert {parameter.name for parameter in command.params} == {*OPTIONS, "events"}


def test_all_that_run_is_told_reaches_the_child_of_a_seed(
    emtnas: Emtnas, given: list[RunOptions]
) -> None:
    words = [word for option in OPTIONS.values() for word in option]
    assert emtnas("--debug", "run", *words).code == 0
    (named,) = load_named("quickstart", given[0].overrides, "mine")
    job, _of_seed_8 = given[0].jobs(named, one_of_several=False)
    _python, _p, _m, _package, *child = given[0].child_command(job)
    assert emtnas(*child).code == 0
    parent_s = RunOptions(
        experiment="quickstart",
        overrides=("search.rmp=0.1", 'tasks=["digits"]'),
        name="mine",
        seeds=(7, 8),
        parallel=2,
        runs=Path("my runs"),
        data=Path("my data"),
        device="cuda:1",
        take_over=True,
        debug=True,
    )
    assert given == [parent_s, replace(parent_s, seeds=(7,), parallel=1)]


def test_a_child_imports_nothing_from_the_current_directory(
    here: Path, environment: dict[str, str]
) -> None:
    (here / "typer.py").write_text("raise SystemExit('the wrong typer')")
    order = RunOptions("quickstart", (), None, (0,), 2, Path("runs"), Path("data"), "cpu", False)
    (named,) = load_named("quickstart", (), None)
    command = order.child_command(*order.jobs(named, one_of_several=False))
    program = command[: command.index("run")]
    done = subprocess.run([*program, "--help"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
