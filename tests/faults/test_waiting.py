"""A signal ends whatever a process waits for before its search goes on."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.checkpoint.ownership import read_owner
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.settings.experiment import TaskSettings

Wait = Callable[[str], "subprocess.Popen[str]"]

SIGNALS = [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def wait(directory: Path, start_python: Callable[..., "subprocess.Popen[str]"]) -> Wait:
    """Starts a process that waits; what is left of it is killed."""
    program = Path(__file__).with_name("waiting.py")
    return lambda what: start_python(program, what, directory)


def _told(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(process.stderr.read() if process.stderr else "")


def _stop(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    process.send_signal(number)
    # Far less than an owner is watched for, and nobody gives the lock back.
    _, message = process.communicate(timeout=60)
    assert process.returncode == 4
    assert message == f"stopped by {number.name}, nothing is lost; the same command goes on\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_that_watches_an_owner_leaves_at_once_and_the_owner_keeps_its_run(
    wait: Wait, directory: Path, number: signal.Signals
) -> None:
    process = wait("owner")
    _told(process, "watching its heartbeat")
    _stop(process, number)
    owner = read_owner(RunPaths(directory).owner)
    assert owner is not None
    assert owner.host == "node7"


def test_a_process_that_waits_for_data_leaves_at_once_and_makes_nothing(
    wait: Wait, directory: Path
) -> None:
    key = parse_source(TaskSettings(source="package:digits")).key
    directory.mkdir(parents=True)
    lock = directory / f".{key}.lock"
    with exclusive(lock, lambda: pytest.fail("the lock is taken")) as alone:
        assert alone
        process = wait("lock")
        _told(process, "waiting for another process")
        _stop(process, signal.SIGTERM)
    assert list(directory.iterdir()) == [lock]
