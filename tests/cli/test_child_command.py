"""What a child that searches one seed is told."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command_line import Emtnas

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.app import load_command
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.run import child_command
from emtnas_hpc.cli.seeds import PlacedSeed, load_named
from emtnas_hpc.search.spec import RunSpec

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


@dataclass
class Told:
    """What `run` would do: the seeds that it would run here, and the commands of its children."""

    seeds: list[PlacedSeed] = field(default_factory=list)
    commands: list[Sequence[str]] = field(default_factory=list)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Hears what `run` is told to do; nothing is done, and no data is opened."""
    told = Told()

    def run_here(seeds: list[PlacedSeed], _listener: object, *, hint: str, debug: bool) -> int:
        assert debug
        told.seeds += seeds
        return 0

    def run_in_children(commands: dict[Who, Sequence[str]], parallel: int, _: object) -> int:
        assert parallel == 2
        told.commands += commands.values()
        return 4

    def place(_placement: object, seeds: list[PlacedSeed], *, needs_data: bool) -> list[PlacedSeed]:
        return seeds

    monkeypatch.setattr("emtnas_hpc.cli.run._run_one_by_one", run_here)
    monkeypatch.setattr("emtnas_hpc.cli.run.run_in_children", run_in_children)
    monkeypatch.setattr("emtnas_hpc.cli.seeds.Placement.place", place)
    return told


def test_every_option_of_run_is_known_to_these_tests() -> None:
    command = load_command("run")
    assert {parameter.name for parameter in command.params} == {*OPTIONS, "events"}


def test_all_that_run_is_told_reaches_the_child_of_a_seed(emtnas: Emtnas, told: Told) -> None:
    words = [word for option in OPTIONS.values() for word in option]
    assert emtnas("--debug", "run", *words).code == 4
    for command in told.commands:
        _python, _p, _m, _package, *child = command
        assert emtnas(*child).code == 0
    overrides = ("search.rmp=0.1", 'tasks=["digits"]')
    (named,) = load_named("quickstart", overrides, "mine")
    specs = [
        RunSpec(
            named.experiment,
            seed,
            RunPaths(Path(f"my runs/mine/seed-{seed}")),
            Path("my data"),
            device="cuda:1",
            take_over=True,
        )
        for seed in (7, 8)
    ]
    assert told.seeds == [PlacedSeed(named, spec, Who(spec.seed)) for spec in specs]


def test_a_child_imports_nothing_from_the_current_directory(
    here: Path, environment: dict[str, str]
) -> None:
    (here / "typer.py").write_text("raise SystemExit('the wrong typer')")
    (named,) = load_named("quickstart", (), None)
    [seed] = named.seeds([0], Path("runs"), Path("data"), device="cpu")
    command = child_command(seed, debug=False)
    program = command[: command.index("run")]
    done = subprocess.run([*program, "--help"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
