"""Where the result goes when nobody takes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Start

COMMANDS = [("report",), ("report", "--json"), ("inspect", "tiny/seed-0"), ("--help",)]
UNBUFFERED = [{}, {"PYTHONUNBUFFERED": "1"}]


def _words(command: tuple[str, ...], runs: Path) -> list[str]:
    return [*command, *(["--runs", str(runs)] if command != ("--help",) else [])]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_seen_enough_is_no_reason_to_complain(
    start: Start, finished: Path, command: tuple[str, ...]
) -> None:
    process = start(*_words(command, finished))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 141


@pytest.mark.parametrize("unbuffered", UNBUFFERED)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_finds_no_room_is_named_in_one_line(
    finished: Path,
    environment: dict[str, str],
    command: tuple[str, ...],
    unbuffered: dict[str, str],
) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "emtnas_hpc", *_words(command, finished)],
            env=environment | unbuffered,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (
        1,
        "error: cannot write the result to stdout: No space left on device\n",
    )


def test_a_closed_stdout_is_named_before_anything_is_done(
    environment: dict[str, str], here: Path
) -> None:
    command = f"exec {sys.executable} -m emtnas_hpc run >&-"
    result = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (
        1,
        "error: cannot write the result to stdout: it is closed\n",
    )
    assert list(here.iterdir()) == []
