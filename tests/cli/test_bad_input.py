import re
import shutil
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, snapshot
from fake_slurm import FakeSlurm

from emtnas_hpc.cli.console import describe_failure

pytestmark = pytest.mark.slow

DEVICES = "expected auto, cpu, cuda or cuda:N"
NAMES = "at most 200 letters, digits and _ . + = , - that begin with a letter or digit"

#: Arguments, and the whole line that answers them.
REFUSED = [
    (
        ["run", "cifra"],
        "no preset, study or TOML file 'cifra'; did you mean cifar? docs/settings.md lists what "
        "there is",
    ),
    (
        ["prepare", "nowhere.toml"],
        "no preset, study or TOML file 'nowhere.toml', looked for HERE/nowhere.toml; "
        "docs/settings.md lists what there is",
    ),
    (["run", "--set", "serch.rmp=0.1"], "unknown setting serch.rmp; did you mean search.rmp?"),
    (["run", "--set", "search.rmp=1.5"], "search.rmp is 1.5, expected a number from 0 to 1"),
    (["run", "--set", "search.rmp=high"], "search.rmp is 'high', expected a number from 0 to 1"),
    (
        ["run", "--set", "search.fitness=a\nb"],
        "search.fitness is 'a\\nb', expected 'own' or 'running_mean'",
    ),
    (["run", "--set", "a\nb=1"], "unknown setting a b; docs/settings.md lists them"),
    (["run", "--name", "a/b"], f"--name is 'a/b', expected {NAMES}"),
    (["run", "--name", ""], f"--name is '', expected {NAMES}"),
    (["run", "--set", "name=a/b"], f"name is 'a/b', expected {NAMES}"),
    (["run", "--seeds", "0"], "--seeds is '0', expected 1 to 10,000 seeds"),
    (["run", "--seeds", "10001"], "--seeds is '10001', expected 1 to 10,000 seeds"),
    (["run", "--seeds", "two"], "--seeds is 'two', expected a number (5) or a list of seeds (5,7)"),
    (["run", "--seeds", "-1"], "--seeds is '-1', expected a number (5) or a list of seeds (5,7)"),
    (
        ["run", "--seeds", "1,2,1"],
        "--seeds is '1,2,1', which has 1 more than once; expected every seed once",
    ),
    (["run", "--parallel", "0"], "--parallel is 0, expected at least 1 seed at a time"),
    (["run", "--seeds", "4294967296,"], "--seeds has 4294967296, expected 0 to 4294967295"),
    (["run", "--device", "gpu"], f"--device is 'gpu', {DEVICES}"),
    (["report", "nothing"], "no run 'nothing', neither as a folder nor in runs"),
    (["report"], "no runs in runs; start one with `emtnas-hpc run`, or say --runs DIR"),
    (["inspect", "nothing"], "no run 'nothing', neither as a folder nor in runs"),
    (["verify", "nothing"], "no run 'nothing', neither as a folder nor in runs"),
    (["verify", "nothing", "--device", "cuda:x"], f"--device is 'cuda:x', {DEVICES}"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_bad_input_is_answered_in_one_line_and_leaves_nothing_behind(
    emtnas: Emtnas, here: Path, arguments: list[str], message: str
) -> None:
    result = emtnas(*arguments)
    assert (result.code, result.out, result.err) == (
        2,
        "",
        f"error: {message}\n".replace("HERE", str(here)),
    )
    assert list(here.iterdir()) == []


def test_missing_data_is_answered_with_the_command_that_mends_it(
    emtnas: Emtnas, here: Path
) -> None:
    result = emtnas("run", "cifar", "--set", "search.rmp=0.1", "--data", "my data")
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("error: my data/torchvision-cifar10")
    assert line.endswith(
        "make it anew with: emtnas-hpc prepare cifar --set search.rmp=0.1 --data 'my data'"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["nothing"], "emtnas-hpc"),
        (["--nothing"], "emtnas-hpc"),
        (["run", "--nothing"], "emtnas-hpc run"),
        (["run", "cifar", "quickstart"], "emtnas-hpc run"),
        (["run", "--parallel", "many"], "emtnas-hpc run"),
        (["inspect"], "emtnas-hpc inspect"),
        (["report", "--contrast", "one"], "emtnas-hpc report"),
    ],
)
def test_a_command_line_that_cannot_be_understood_names_the_help_that_explains_it(
    emtnas: Emtnas, here: Path, arguments: list[str], command: str
) -> None:
    result = emtnas(*arguments)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f"; {command} --help says more")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (
            ValueError("odd\nthing"),
            1,
            "unexpected ValueError: odd thing; emtnas-hpc --debug shows where",
        ),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on"),
    ],
)
def test_what_nobody_foresaw_is_one_line_too(
    emtnas: Emtnas,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("emtnas_hpc.cli.report.find_runs", fail)
    result = emtnas("report")
    assert (result.code, result.out, result.err) == (code, "", f"error: {message}\n")


@pytest.mark.parametrize(
    "arguments", [["--debug", "run", "nowhere"], ["run", "--debug", "nowhere"]]
)
def test_debug_shows_the_traceback_wherever_it_stands(emtnas: Emtnas, arguments: list[str]) -> None:
    lines = emtnas(*arguments).err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("error: no preset, study or TOML file 'nowhere'; ")


def test_a_device_that_is_not_there_is_refused_before_a_run_begins(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    result = emtnas("run", *TINY, "--data", data, "--device", "cuda:99")
    assert result.code == 2
    assert result.err.startswith("error: --device is 'cuda:99', but torch sees ")
    assert list(here.iterdir()) == []


def test_a_run_directory_of_other_settings_is_refused_with_the_difference(
    emtnas: Emtnas, finished: Path, data: Path
) -> None:
    before = snapshot(finished)
    where = ("--name", "tiny", "--runs", finished, "--data", data)
    result = emtnas("run", *TINY, "--set", "search.rmp=0.5", *where)
    assert result.code == 2
    assert result.err == (
        f"error: {finished}/tiny/seed-0 was made with other settings: search.rmp is 0.3 there, "
        "0.5 here; use those, or another --name\n"
    )
    assert snapshot(finished) == before


@pytest.mark.parametrize("command", ["run", "launch"])
def test_no_data_is_prepared_for_settings_that_a_run_directory_refuses(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path, finished: Path, command: str
) -> None:
    first = ("--set", "task.digits.validation_split=first")
    result = emtnas(command, *TINY, *first, "--name", "tiny", "--runs", finished)
    assert (result.code, result.out) == (2, "")
    assert "other settings: task.digits.validation_split is last there, first here" in result.err
    assert list(here.iterdir()) == []


def test_a_name_that_means_several_runs_is_refused_where_one_is_needed(
    emtnas: Emtnas, finished: Path
) -> None:
    result = emtnas("inspect", "tiny", "--runs", finished)
    assert result.code == 2
    assert result.err == (f"error: tiny is 2 runs, expected one, such as {finished}/tiny/seed-0\n")


def test_an_experiment_that_cannot_be_read_back_is_refused(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    broken = here / "runs/broken/seed-0/experiment.toml"
    broken.parent.mkdir(parents=True)
    broken.write_text("seed = 0\n")
    result = emtnas("run", *TINY, "--name", "broken", "--data", data)
    assert result.code == 2
    assert result.err.startswith(
        "error: runs/broken/seed-0/experiment.toml is not the experiment.toml of a run: "
    )
    assert broken.read_text() == "seed = 0\n"


def test_commits_whose_experiment_is_gone_do_not_take_other_settings(
    emtnas: Emtnas, here: Path, finished: Path, data: Path
) -> None:
    run = here / "runs/tiny/seed-0"
    shutil.copytree(finished / "tiny/seed-0", run)
    (run / "experiment.toml").unlink()
    before = snapshot(run)
    command = ("run", *TINY, "--name", "tiny", "--data", data)
    result = emtnas(*command, "--set", "search.rmp=0.5")
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(
        r"error: runs/tiny/seed-0/experiment\.toml is missing, and the commits were made with "
        r"other settings or data \(signature [0-9a-f]{12}, here [0-9a-f]{12}\); use "
        r"those, or another --name\n",
        result.err,
    )
    assert snapshot(run) == before
    missing = emtnas("verify", "tiny/seed-0", "--data", data)
    assert (missing.code, missing.err) == (
        2,
        "error: runs/tiny/seed-0/experiment.toml is missing; the `run` command that made the run "
        "writes it anew\n",
    )
    assert emtnas("inspect", "tiny/seed-0").code == 0
    assert emtnas(*command).err == "seed 0: finished, 2 generations\n"
    assert emtnas("verify", "tiny/seed-0", "--data", data).code == 0


def test_commits_that_cannot_be_read_take_no_settings_at_all(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    run = here / "runs/tiny/seed-0"
    (run / "search/000001").mkdir(parents=True)
    result = emtnas("run", *TINY, "--name", "tiny", "--data", data)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error: runs/tiny/seed-0/experiment.toml is missing, and no commit can be read; restore "
        "one from a backup, or move runs/tiny/seed-0 away to begin anew\n"
    )
    assert snapshot(run) == {"search": None, "search/000001": None}


@pytest.mark.parametrize("size", ["7", "4097", "1000000"])
def test_images_of_a_size_that_no_network_or_memory_takes_are_refused_first(
    emtnas: Emtnas, size: str
) -> None:
    result = emtnas("prepare", "quickstart", "--set", f"task.digits.image_size={size}")
    assert result.code == 2
    assert f"image_size is {size}, expected an integer from 8 to 4,096" in result.err


def test_a_very_long_name_of_a_folder_is_refused_in_a_line(emtnas: Emtnas, here: Path) -> None:
    for kind in ("images", "npz"):
        source = f"task.digits.source={kind}:{'x' * 240}"
        result = emtnas("prepare", "quickstart", "--set", source, "--data", here / "data")
        assert result.code == 2
        (line,) = (line for line in result.err.splitlines() if line.startswith("error: "))
        assert "unexpected" not in line


def test_memory_that_is_not_there_is_no_surprise() -> None:
    line, code = describe_failure(MemoryError("Unable to allocate 18.2 TiB for an array"))
    assert (code, "unexpected" in line) == (1, False)
    assert line == ("this machine has not enough memory (Unable to allocate 18.2 TiB for an array)")
