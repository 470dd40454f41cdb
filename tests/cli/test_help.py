import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import TINY, Emtnas
from warm import Warm

import emtnas_hpc
from emtnas_hpc.cli import console
from emtnas_hpc.cli.app import VERBS, load_command
from emtnas_hpc.errors import EmtnasError

pytestmark = pytest.mark.slow

COMMANDS = [
    *("prepare", "run", "retrain", "report", "inspect", "export", "verify"),
    *("launch", "status", "logs", "cancel", "resume", "doctor"),
]

Run = Callable[..., "subprocess.CompletedProcess[str]"]

WITHOUT_TORCH = """
import sys
from emtnas_hpc.cli.app import run_command_line
code = run_command_line(sys.argv[1:])
print("torch imported:", "torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def run_alone(warm_without_torch: Warm, environment: dict[str, str]) -> Run:
    """Runs a command in a process of its own, which says whether torch was imported."""
    return partial(warm_without_torch.run, env=environment, code=WITHOUT_TORCH)


def test_every_command_is_known_to_these_tests() -> None:
    assert list(VERBS) == COMMANDS


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(verb: str) -> None:
    assert (load_command(verb).help or "").splitlines()[0] == VERBS[verb]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(emtnas: Emtnas, command: str) -> None:
    result = emtnas(command, "--help")
    assert result.code == 0
    assert f"Usage: emtnas-hpc {command}" in result.out
    assert result.err == ""
    assert "--events" not in result.out


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_program_alone_says_what_it_can_do(emtnas: Emtnas, arguments: list[str]) -> None:
    result = emtnas(*arguments)
    assert (result.code, result.err) == (0, "")
    assert all(command in result.out for command in COMMANDS)


def test_the_version_is_the_package_s(emtnas: Emtnas) -> None:
    result = emtnas("--version")
    assert (result.code, result.out) == (0, f"{emtnas_hpc.__version__}\n")


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help_is_shown_without_torch(run_alone: Run, command: list[str]) -> None:
    done = run_alone(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == "torch imported: False\n"


def test_a_setting_is_refused_without_torch(run_alone: Run) -> None:
    done = run_alone("run", "cifar", "--set", "search.rmp=2")
    assert done.returncode == 2
    assert done.stderr.endswith("torch imported: False\n")


def test_a_run_directory_of_other_settings_is_refused_without_torch(
    run_alone: Run, finished: Path, data: Path
) -> None:
    where = ("--name", "tiny", "--runs", finished, "--data", data)
    done = run_alone("run", *TINY, "--set", "search.rmp=0.5", *where)
    assert done.returncode == 2
    assert done.stderr.endswith("torch imported: False\n")


@pytest.mark.parametrize("command", ["report", "inspect"])
def test_results_are_shown_without_torch(run_alone: Run, finished: Path, command: str) -> None:
    done = run_alone(command, finished / "tiny" / "seed-0")
    assert done.returncode == 0
    assert done.stderr == "torch imported: False\n"


def test_help_names_every_exit_code(emtnas: Emtnas) -> None:
    codes = {*console.MEANINGS}
    assert {error.exit_code for error in _all_below(EmtnasError)} <= codes
    text = " ".join(emtnas("--help").out.split())
    assert all(f"{code} {meaning}" in text for code, meaning in console.MEANINGS.items())


def _all_below(error: type[EmtnasError]) -> set[type[EmtnasError]]:
    return {error}.union(*map(_all_below, error.__subclasses__()))
