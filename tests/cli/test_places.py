"""What --runs and --data may point to."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, run_here, snapshot

pytestmark = pytest.mark.slow

NOBODY = 65534

RUN = ("run", *TINY, "--name", "tiny")
WITH_RUNS = [RUN, ("report",), ("inspect", "tiny"), ("verify", "tiny")]
WITH_DATA = [RUN, ("prepare", *TINY), ("verify", "tiny")]
EVERY_USE = [
    *((command, "--runs") for command in WITH_RUNS),
    *((command, "--data") for command in WITH_DATA),
]


@contextmanager
def _a_user_with_few_rights() -> Iterator[None]:
    """Root may do everything; for anybody else permissions count as they are."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize(("command", "option"), EVERY_USE)
def test_a_file_is_no_place(
    emtnas: Emtnas, here: Path, command: tuple[str, ...], option: str
) -> None:
    (here / "file").touch()
    for place in ("file", "file/below"):
        result = emtnas(*command, option, place)
        assert (result.code, result.out) == (2, "")
        assert result.err == (
            f"error: {option} is '{place}', which cannot be used (Not a directory); expected a "
            "directory, there or still to be made\n"
        )
    assert snapshot(here) == {"file": b""}


@pytest.fixture(scope="module")
def imported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every command has imported what it needs while it may."""
    runs = tmp_path_factory.mktemp("imported")
    for command, where in (
        (RUN, ("--runs", runs, "--data", data)),
        (("report",), ("--runs", runs)),
        (("inspect", "tiny"), ("--runs", runs)),
        (("verify", "tiny"), ("--runs", runs, "--data", data)),
    ):
        assert run_here(*command, *where).code == 0


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize(("command", "option"), EVERY_USE)
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_cannot_be_looked_into_is_no_place(
    emtnas: Emtnas, here: Path, command: tuple[str, ...], option: str, mode: int
) -> None:
    (here / "shut").mkdir()
    (here / "shut").chmod(mode)
    with _a_user_with_few_rights():
        result = emtnas(*command, option, "shut")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"error: {option} is 'shut', which cannot be used (Permission denied); expected a "
        "directory, there or still to be made\n"
    )


@pytest.mark.parametrize(("variable", "command"), [("EMTNAS_RUNS", RUN), ("EMTNAS_DATA", RUN)])
def test_a_place_that_the_environment_gave_is_named_by_its_variable(
    emtnas: Emtnas,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    command: tuple[str, ...],
) -> None:
    (here / "link").symlink_to("nowhere")
    monkeypatch.setenv(variable, "link")
    result = emtnas(*command)
    assert result.code == 2
    assert result.err.startswith(f"error: {variable} is 'link', which cannot be used (No such file")


def test_where_nothing_can_be_made_no_run_begins(emtnas: Emtnas, data: Path) -> None:
    result = emtnas(*RUN, "--data", data, "--runs", "/proc/runs")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: --runs is '/proc/runs', where /proc/runs/tiny/seed-0 cannot be made (No such file "
        "or directory); choose another directory\n"
    )


@pytest.mark.parametrize("command", [("report",), ("inspect", "tiny"), ("verify", "tiny")])
def test_where_nothing_is_no_run_is_found(emtnas: Emtnas, command: tuple[str, ...]) -> None:
    result = emtnas(*command, "--runs", "/proc/runs")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: no run")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("command", [RUN, ("prepare", *TINY)])
def test_where_nothing_can_be_made_no_data_is_prepared(
    emtnas: Emtnas, here: Path, command: tuple[str, ...]
) -> None:
    result = emtnas(*command, "--data", "/proc/data")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1] == (
        "error: cannot write /proc/data: No such file or directory; choose a directory with --data "
        "that can be written"
    )
    assert list(here.iterdir()) == []


def _run_and_data(emtnas: Emtnas, here: Path) -> None:
    assert emtnas(*RUN).code == 0
    for folder, _, files in os.walk(here):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            path.chmod(0o555)


@pytest.fixture
def read_only(emtnas: Emtnas, here: Path) -> Iterator[Callable[[], None]]:
    """Makes a finished run and its data where a user with few rights may only read."""
    yield lambda: _run_and_data(emtnas, here)
    for folder in (here, *filter(Path.is_dir, here.rglob("*"))):
        folder.chmod(0o755)


def test_where_one_may_only_read_all_that_needs_no_writing_works(
    emtnas: Emtnas, here: Path, read_only: Callable[[], None]
) -> None:
    read_only()
    with _a_user_with_few_rights():
        for command in (RUN, ("report",), ("inspect", "tiny"), ("prepare", *TINY)):
            result = emtnas(*command)
            assert result.code == 0, result.err
        new = emtnas("run", *TINY, "--name", "new")
        other = emtnas("prepare", "quickstart", "--set", 'tasks=["mnist5k"]')
    assert (new.code, new.err) == (
        2,
        "error: --runs is 'runs', where runs/new/seed-0 cannot be made (Permission denied); choose "
        "another directory\n",
    )
    assert other.code == 2
    assert other.err.startswith("error: cannot write data/.package-mnist5k.lock: Permission denied")


def test_a_tilde_is_the_home_wherever_a_path_is_typed(
    emtnas: Emtnas, here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = here / "home"
    shutil.copytree(finished, home / "runs")
    monkeypatch.setenv("HOME", str(home))
    assert "tiny/seed-1" in emtnas("status", "--runs=~/runs").out
    monkeypatch.setenv("EMTNAS_RUNS", "~/runs")
    assert "tiny/seed-1" in emtnas("status", "tiny").out
    monkeypatch.delenv("EMTNAS_RUNS")
    assert emtnas("report", "~/runs/tiny", "--output=~/report").code == 0
    assert emtnas("inspect", "~/runs/tiny/seed-0", "--svg=~/cells").code == 0
    assert emtnas("export", "~/runs/tiny/seed-0", "--untrained", "--output=~/networks").code == 0
    assert {"cells", "networks", "report"} < {path.name for path in home.iterdir()}
    for words, missing in (
        (("run", "~/x.toml"), "x.toml"),
        (("retrain", "--file=~/genotype"), "genotype"),
        (("prepare", "--set", "tasks=['a']", "--set", "task.a.source=npz:~/a.npz"), "a.npz"),
    ):
        result = emtnas(*words)
        assert (result.code, f"{home}/{missing}" in result.err) == (2, True), result.err
    assert not (here / "~").exists()


@pytest.mark.parametrize("word", ["", " "])
@pytest.mark.parametrize("command", ["status", "cancel", "resume", "retrain", "inspect"])
def test_a_run_without_a_name_is_not_all_runs(
    emtnas: Emtnas, here: Path, finished: Path, command: str, word: str
) -> None:
    shutil.copytree(finished, here / "runs")
    before = snapshot(here)
    result = emtnas(command, word)
    line = f"error: a run is called {word!r}, expected a folder, or a name below --runs\n"
    assert (result.code, result.out, result.err) == (2, "", line)
    assert snapshot(here) == before


def test_of_two_formats_none_is_dropped(emtnas: Emtnas, finished: Path) -> None:
    result = emtnas("report", "--runs", finished, "--format", "csv", "--format", "json")
    assert (result.code, result.out) == (2, "")
    assert "--format is given 2 times (csv, json); give one of them" in result.err
