"""Where the result goes when nobody takes it."""

import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from warm import Warm

from emtnas_hpc.cli.app import run_command_line

pytestmark = pytest.mark.slow

COMMANDS = [("report",), ("report", "--json"), ("inspect", "tiny/seed-0"), ("--help",)]


def _words(command: tuple[str, ...], runs: Path) -> list[str]:
    return [*command, *(["--runs", str(runs)] if command != ("--help",) else [])]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_seen_enough_is_no_reason_to_complain(
    warm_without_torch: Warm,
    environment: dict[str, str],
    finished: Path,
    command: tuple[str, ...],
) -> None:
    with warm_without_torch.start(*_words(command, finished), env=environment) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 141


NO_ROOM = "error: cannot write the result to stdout: No space left on device\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_that_finds_no_room_is_named_in_one_line(
    warm_without_torch: Warm,
    finished: Path,
    environment: dict[str, str],
    command: tuple[str, ...],
) -> None:
    with Path("/dev/full").open("w") as full:
        words = _words(command, finished)
        result = warm_without_torch.run(*words, env=environment, stdout=full)
    assert (result.returncode, result.stderr) == (1, NO_ROOM)


@pytest.mark.parametrize("command", [("report",), ("--help",)])
def test_so_it_is_where_python_buffers_nothing(
    finished: Path, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "emtnas_hpc", *_words(command, finished)],
            env=environment | {"PYTHONUNBUFFERED": "1"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (result.returncode, result.stderr) == (1, NO_ROOM)


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


def printed(encoding: str, *command: str) -> str:
    """What a command prints where stdout has this encoding."""
    # As Python makes it of PYTHONIOENCODING.
    out, err = TextIOWrapper(BytesIO(), encoding=encoding), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command_line([*command])
    assert (code, "Error" in err.getvalue()) == (0, False)
    out.flush()
    return out.buffer.getvalue().decode(encoding, "surrogateescape")  # type: ignore[attr-defined]


@pytest.fixture
def odd_names(here: Path, finished: Path) -> None:
    for name in ("żółć-面", "b\udcffd"):
        (here / "runs" / name).mkdir(parents=True)
        (here / "runs" / name / "seed-0").symlink_to(finished / "tiny/seed-0")


@pytest.mark.usefixtures("odd_names")
@pytest.mark.parametrize("encoding", ["ascii", "koi8-r", "latin-1", "utf-8"])
@pytest.mark.parametrize(
    "command", [("status",), ("report",), ("report", "--format", "csv"), ("report", "--json")]
)
def test_what_an_encoding_lacks_is_spelled_as_wide_as_it_is(
    encoding: str, command: tuple[str, ...]
) -> None:
    lines = printed(encoding, *command).splitlines()
    if command == ("status",) and encoding == "ascii":
        assert [line.split("|")[0].rstrip() for line in lines[2:4]] == [
            "b\udcffd/seed-0",
            "????-??/seed-0",
        ]
        assert len({len(line) for line in lines[:4]}) == 1


@pytest.mark.usefixtures("odd_names")
def test_the_encoding_is_the_one_that_the_environment_asks_for(
    environment: dict[str, str],
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "emtnas_hpc", "status"],
        env=environment | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert result.stdout.decode("ascii", "surrogateescape") == printed("ascii", "status")


def test_a_deviation_takes_as_much_room_in_any_encoding(finished: Path) -> None:
    tables = [
        printed(encoding, "report", "--runs", str(finished)) for encoding in ("utf-8", "ascii")
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
