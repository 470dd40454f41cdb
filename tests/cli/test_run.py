import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import TINY, TINY_SETTINGS, Emtnas, Start, snapshot
from interrupting import interrupt_until_it_leaves
from warm import WarmProcess

from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.job_files import write_flag

pytestmark = pytest.mark.slow

GENERATION = re.compile(r"generation \d+/\d+")


def _wait_for(text: str, process: WarmProcess) -> None:
    """Reads the progress of a process until a line has the text."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    pytest.fail("".join(lines))


def _wait_until_started(process: WarmProcess, runs: Path) -> None:
    while not any("started" in file.read_text() for file in runs.glob("*/*/attempts/*")):
        assert process.poll() is None
        time.sleep(0.02)


def _wait_until_disowned(runs: Path) -> None:
    while any(runs.glob("*/*/owner")):
        time.sleep(0.05)


@contextmanager
def owned(paths: RunPaths) -> Iterator[None]:
    """While entered, this very process is at work in a run directory."""
    lease = acquire(paths, this_process())
    yield
    lease.release()


def test_a_search_tells_its_generations_on_stderr_and_its_result_on_stdout(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    result = emtnas("run", *TINY, "--data", data)
    assert result.code == 0
    lines = result.err.splitlines()
    number = r"\d+\.\d+"
    progress = (
        rf"\d\d:\d\d:\d\d seed 0: generation 1/2, {number} s, \d+ s left: digits: "
        rf"fitness {number} %, true {number} %, loss {number}"
    )
    assert re.fullmatch(progress, lines[-3])
    assert "generation 2/2" in lines[-2]
    assert ", done: digits" in lines[-2]
    assert lines[-1] == "seed 0: finished, 2 generations"
    (run,) = (here / "runs").iterdir()
    assert result.out.startswith(
        f"{run.name}: seed 0 (n = 1); supernet, batch norm recalibrated\ntask "
    )


def test_a_run_is_named_after_its_preset_and_what_was_changed(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    file = here / "tiny.toml"
    changes = [setting.rpartition(".") for setting in TINY_SETTINGS if "tasks" not in setting]
    file.write_text(
        'extends = "cifar"\ntasks = ["digits"]\n'
        + "".join(f"[{section}]\n{value}\n" for section, _, value in _merged(changes))
    )
    assert emtnas("run", file, "--set", "search.rmp=0.1", "--data", data).code == 0
    assert [path.name for path in (here / "runs").iterdir()] == ["tiny+rmp=0.1"]


def _merged(changes: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """One table a section."""
    sections: dict[str, list[str]] = {}
    for section, _, value in changes:
        sections.setdefault(section, []).append(value)
    return [(section, "", "\n".join(values)) for section, values in sections.items()]


def test_the_environment_says_where_runs_and_data_are(
    emtnas: Emtnas, here: Path, data: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMTNAS_RUNS", str(here / "elsewhere"))
    monkeypatch.setenv("EMTNAS_DATA", str(data))
    shutil.copytree(finished / "tiny/seed-0", here / "elsewhere/tiny/seed-0")
    result = emtnas("run", *TINY, "--name", "tiny")
    assert result.err == "seed 0: finished, 2 generations\n"
    assert [path.name for path in here.iterdir()] == ["elsewhere"]
    assert emtnas("report", "tiny/seed-0").out == result.out


def test_a_finished_run_says_so_and_is_left_as_it_is(
    emtnas: Emtnas, finished: Path, data: Path, here: Path
) -> None:
    runs = here / "copied"
    shutil.copytree(finished, runs)
    before = snapshot(runs)
    where = ("--name", "tiny", "--runs", runs, "--data", data)
    result = emtnas("run", *TINY, *where, "--seeds", 2)
    assert result.code == 0
    assert result.err.splitlines() == [
        "seed 0: finished, 2 generations",
        "seed 1: finished, 2 generations",
    ]
    after = snapshot(runs)
    assert before == {name: after[name] for name in before}
    assert all("attempts/" in name for name in {*after} - {*before})


def test_seeds_that_the_table_leaves_out_are_told_of(
    emtnas: Emtnas, finished: Path, data: Path
) -> None:
    shutil.copytree(finished, "runs")
    result = emtnas("run", *TINY, "--name", "tiny", "--data", data)
    assert "(n = 1)" in result.out
    assert result.err.splitlines() == [
        "seed 0: finished, 2 generations",
        "runs/tiny has 1 more seed; emtnas-hpc report runs/tiny shows all",
    ]


def test_a_seed_that_was_cancelled_is_carried_on_here_and_that_is_said(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    paths = RunPaths(here / "runs/tiny/seed-0")
    write_flag(paths.cancelled, "by ada on login1", "token")
    first = emtnas("run", *TINY, "--name", "tiny", "--data", data)
    said = "seed 0: marked cancelled (by ada on login1): jobs skip it, this command continues it"
    assert first.code == 0
    assert said in first.err
    again = emtnas("run", *TINY, "--name", "tiny", "--data", data)
    assert again.err == "seed 0: finished, 2 generations\n"


def test_what_calls_itself_a_later_generation_of_a_finished_run_is_named_and_set_aside(
    emtnas: Emtnas, finished: Path, data: Path, here: Path
) -> None:
    shutil.copytree(finished / "tiny/seed-0", here / "runs/tiny/seed-0")
    search = here / "runs/tiny/seed-0/search"
    (search / "000007").mkdir()
    result = emtnas("run", *TINY, "--name", "tiny", "--data", data)
    assert result.code == 0
    assert result.err.splitlines() == [
        "seed 0: runs/tiny/seed-0/search/000007 is damaged (manifest.json: expected a manifest, "
        "found no file): kept as 000007.damaged-1, going on from 000002",
        "seed 0: finished, 2 generations",
    ]
    assert (search / "000007.damaged-1").is_dir()


def test_a_loss_that_diverges_is_told_once_and_noted_in_the_report(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    wild = ("--set", "training.learning_rate=1e30", "--set", "search.generations=3")
    result = emtnas("run", *TINY, *wild, "--name", "wild", "--data", data)
    assert result.code == 0
    (line,) = [line for line in result.err.splitlines() if "warning" in line]
    assert re.fullmatch(
        r"seed 0: warning: the training loss of digits diverged in generation 1; the search goes "
        r"on, but what it finds there means little: choose a lower training\.learning_rate",
        line,
    )
    assert result.out.splitlines()[-1] == (
        "The training loss diverged: wild, seed 0, digits in generation 1."
    )
    (seed,) = json.loads(emtnas("report", "--json").out)["seeds"]
    assert seed["tasks"][0]["diverged_in"] == 1


def test_json_is_printed_instead_of_the_table(emtnas: Emtnas, finished: Path, data: Path) -> None:
    where = ("--name", "tiny", "--runs", finished, "--data", data)
    result = emtnas("run", *TINY, *where, "--json")
    assert json.loads(result.out)["experiments"][0]["name"] == "tiny"


def test_events_are_told_as_lines_of_json_without_a_report(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    result = emtnas("run", *TINY, "--name", "told", "--data", data, "--events")
    assert (result.code, result.err) == (0, "")
    events = [json.loads(line) for line in result.out.splitlines()]
    steps = [event for event in events if event["kind"] == "step"]
    assert [(event["seed"], event["step"], event["n_steps"]) for event in steps] == [
        (0, 1, 2),
        (0, 2, 2),
    ]
    assert set(steps[0]["tasks"]["digits"]) == {"fitness", "true_fitness", "loss"}
    phases = [event["text"] for event in events if event["kind"] == "phase"]
    assert phases[:3] == ["training digits", "evaluation digits", "true fitness digits"]


@pytest.mark.usefixtures("warm_children")
def test_two_seeds_side_by_side_find_what_they_find_one_after_the_other(
    emtnas: Emtnas, here: Path, data: Path, finished: Path
) -> None:
    arguments = ("--name", "side", "--seeds", 2, "--parallel", 2, "--data", data)
    result = emtnas("run", *TINY, *arguments)
    assert result.code == 0, result.err
    for seed in (0, 1):
        assert f"seed {seed}: generation 2/2" in result.err
        assert f"seed {seed}: finished, 2 generations" in result.err
        verified = emtnas("verify", finished / f"tiny/seed-{seed}", f"runs/side/seed-{seed}")
        assert verified.code == 0, verified.out
    assert "seeds 0, 1 (n = 2)" in result.out


@pytest.mark.parametrize("parallel", [1, 2])
def test_other_settings_of_any_seed_are_refused_before_the_first_one_begins(
    emtnas: Emtnas, here: Path, finished: Path, data: Path, parallel: int
) -> None:
    runs = here / "runs"
    shutil.copytree(finished / "tiny/seed-1", runs / "tiny/seed-1")
    changed = ("--set", "search.rmp=0.5", "--name", "tiny", "--seeds", 2, "--parallel", parallel)
    result = emtnas("run", *TINY, *changed, "--data", data)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: runs/tiny/seed-1 was made with other settings: search.rmp is 0.3 there, 0.5 here; "
        "use those, or another --name\n"
    )
    assert [path.name for path in (runs / "tiny").iterdir()] == ["seed-1"]


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize("parallel", [1, 2])
def test_a_seed_that_is_owned_does_not_keep_the_others_from_their_search(
    emtnas: Emtnas, here: Path, data: Path, parallel: int
) -> None:
    with owned(RunPaths(here / "runs/pair/seed-0")):
        command = ("run", *TINY, "--name", "pair", "--seeds", 2, "--parallel", parallel)
        result = emtnas(*command, "--data", data)
    assert (result.code, result.out) == (3, "")
    assert "seed 0: error: runs/pair/seed-0 is owned by process" in result.err
    assert "seed 1: finished, 2 generations" in result.err


def test_a_seed_that_fails_does_not_keep_the_others_from_their_search(
    emtnas: Emtnas, here: Path, finished: Path, data: Path
) -> None:
    damaged = here / "runs/pair/seed-0"
    shutil.copytree(finished / "tiny/seed-0", damaged)
    for file in damaged.glob("search/*/state.h5"):
        file.write_bytes(b"noise")
    # A file where a folder must be.
    (here / "runs/pair/seed-1").mkdir()
    (here / "runs/pair/seed-1/attempts").touch()
    command = ("run", *TINY, "--name", "pair", "--seeds", 3, "--data", data)
    result = emtnas(*command)
    assert (result.code, result.out) == (1, "")
    errors = [line for line in result.err.splitlines() if "error: " in line]
    assert [line[: len("seed 0: error: ")] for line in errors] == [
        "seed 0: error: ",
        "seed 1: error: ",
    ]
    assert "seed 2: finished, 2 generations" in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in emtnas("--debug", *command).err


def test_a_stop_ends_all_seeds_one_after_the_other(start: Start, here: Path, data: Path) -> None:
    many = ("--set", "search.generations=200", "--name", "row", "--seeds", 2, "--data", data)
    process = start("run", *TINY, *many)
    _wait_for("generation 1/200", process)
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate()
    assert process.returncode == 4
    assert err.splitlines()[-1] == "stopped with work left; the same command goes on from there"
    assert [path.name for path in (here / "runs/row").iterdir()] == ["seed-0"]


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_what_is_wrong_with_seeds_side_by_side_is_said_by_each_and_debugged_in_each(
    emtnas: Emtnas, here: Path, data: Path, debug: tuple[str, ...]
) -> None:
    beside = ("--name", "tiny", "--seeds", 2, "--parallel", 2, "--device", "cuda:99")
    result = emtnas("run", *TINY, *beside, "--data", data, *debug)
    assert (result.code, result.out) == (2, "")
    lines = result.err.splitlines()
    for seed in (0, 1):
        assert sum(line.startswith(f"seed {seed}: error: --device is") for line in lines) == 1
        assert (f"seed {seed}: Traceback (most recent call last):" in lines) == bool(debug)
    assert len(lines) == 2 or debug


def test_a_run_that_is_owned_is_refused_and_one_that_is_stopped_goes_on(
    emtnas: Emtnas, start: Start, here: Path, data: Path
) -> None:
    command = ("run", *TINY, "--set", "search.generations=12", "--name", "long", "--data", data)
    first = start(*command)
    _wait_for("generation 1/12", first)
    first.send_signal(signal.SIGSTOP)

    refused = emtnas(*command)
    assert (refused.code, refused.out) == (3, "")
    (line,) = refused.err.splitlines()
    assert line.startswith(f"error: runs/long/seed-0 is owned by process {first.pid} on ")

    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate()
    assert (first.returncode, out) == (4, "")
    assert err.splitlines()[-1] == "stopped with work left; the same command goes on from there"

    unfinished = emtnas("report")
    assert unfinished.code == 0
    assert unfinished.out.startswith(
        "long: seed 0 (n = 1), seed 0 not finished; supernet, batch norm recalibrated\n"
    )

    resumed = emtnas(*command)
    assert resumed.code == 0
    assert "generation 1/12" not in resumed.err
    assert "generation 9/12" in resumed.err
    verified = emtnas("verify", "long", "--data", data)
    assert verified.code == 0, verified.out


def test_a_second_ctrl_c_leaves_at_once(start: Start, here: Path, data: Path) -> None:
    endless = ("--set", "training.batches=100000", "--name", "endless", "--data", data)
    process = start("run", *TINY, *endless)
    _wait_until_started(process, here / "runs")
    process.send_signal(signal.SIGINT)
    # Two at the same moment would be one.
    time.sleep(0.3)
    interrupt_until_it_leaves(process)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "error: interrupted; the same command goes on"
    assert not RunPaths(here / "runs/endless/seed-0").owner.exists()


def test_seeds_whose_parent_was_killed_stop_in_good_order(
    emtnas: Emtnas, start: Start, here: Path, data: Path
) -> None:
    command = ("run", *TINY, "--set", "search.generations=9", "--name", "orphan", "--data", data)
    parent = start(*command, "--seeds", 2, "--parallel", 2)
    _wait_for("seed 0: generation", parent)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    _wait_until_disowned(here / "runs")
    assert emtnas(*command).code == 0
