"""Where the result goes when nobody takes it."""

import json
import shutil
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


@pytest.mark.parametrize("encoding", ["ascii", "koi8-r", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "command", [("status",), ("report",), ("report", "--format", "csv"), ("report", "--json")]
)
def test_what_an_encoding_lacks_is_spelled_as_wide_as_it_is(
    finished: Path,
    environment: dict[str, str],
    here: Path,
    encoding: str,
    command: tuple[str, ...],
) -> None:
    for name in ("żółć-面", "b\udcffd"):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "seed-0").symlink_to(finished / "tiny/seed-0")
    result = subprocess.run(
        [sys.executable, "-m", "emtnas_hpc", *command],
        env=environment | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, b"Error" in result.stderr) == (0, False)
    lines = result.stdout.decode(encoding, "surrogateescape").splitlines()
    if command == ("status",) and encoding == "ascii":
        assert [line.split("|")[0].rstrip() for line in lines[2:4]] == [
            "b\udcffd/seed-0",
            "????-??/seed-0",
        ]
        assert len({len(line) for line in lines[:4]}) == 1


def test_a_deviation_takes_as_much_room_in_any_encoding(
    finished: Path, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-m", "emtnas_hpc", "report", "--runs", str(finished)]
    tables = [
        subprocess.run(
            command,
            env=environment | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        ).stdout.decode(encoding)
        for encoding in ("utf-8", "ascii")
    ]
    found, plain = (
        [line for line in table.splitlines() if line.startswith("digits")] for table in tables
    )
    assert found
    assert [line.replace(" ±", "+-").split() for line in found] == [
        line.replace("|", " ").split() for line in plain
    ]


def test_files_of_a_report_are_utf_8_whatever_the_runs_are_called(
    finished: Path, environment: dict[str, str], here: Path
) -> None:
    (here / "runs/b\udcffd").mkdir(parents=True)
    (here / "runs/b\udcffd/seed-0").symlink_to(finished / "tiny/seed-0")
    command = [sys.executable, "-m", "emtnas_hpc", "report", "--output", "out"]
    ascii_only = environment | {"PYTHONIOENCODING": "ascii"}
    subprocess.run(command, env=ascii_only, capture_output=True, check=True)
    for file in Path("out").glob("report.*"):
        file.read_text(encoding="utf-8")


def test_what_a_closed_stderr_would_get_is_no_result(
    finished: Path, environment: dict[str, str], here: Path
) -> None:
    shutil.copytree(finished, here / "runs")
    (here / "runs/tiny/seed-0/experiment.toml").unlink()
    command = f"exec {sys.executable} -m emtnas_hpc report --json 2>&-"
    result = subprocess.run(
        ["sh", "-c", command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert json.loads(result.stdout)["problems"]
