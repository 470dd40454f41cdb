"""Whole runs on a real card: eager and graphs give the same bits, and so do interruptions."""

import json
import signal
import subprocess
import sys

import pytest

TINY = (
    "search.generations=4",
    "search.population=6",
    "supernet.channels=4",
    "supernet.drop_path=0.1",
    "supernet.drop_path_from=2",
    "training.batch_size=16",
    "training.batches=40",
    "evaluation.batch_size=64",
    "evaluation.recalibration_images=64",
    "run.commit_interval_s=0",
)
RETRAINING = (
    "retraining.recipe='quick'",
    "retraining.normal_cells=[2]",
    "retraining.channels=4",
    "retraining.epochs=2",
    "retraining.batch_size=64",
    "retraining.drop_path=0.2",
)
NAMES = ("digits", "again", "more")


@pytest.fixture
def program(tmp_path, environment):
    (tmp_path / "blank.toml").write_text("tasks = []\n")

    def command(*words):
        where = ["--runs", str(tmp_path / "runs"), "--data", str(tmp_path / "data")]
        program = [sys.executable, "-m", "emtnas_hpc"]
        if words[0] == "run":
            words = ("run", str(tmp_path / "blank.toml"), *words[1:], *where, "--device", "cuda")
        return subprocess.run(
            [*program, *words], capture_output=True, text=True, check=False, env=environment
        )

    command.folder = tmp_path
    return command


def settings(n_tasks, *more):
    names = NAMES[:n_tasks]
    sources = [f"task.{name}.source='package:digits'" for name in names]
    paddings = [f"task.{name}.padding={n}" for n, name in enumerate(names)]
    chosen = (f"tasks={json.dumps(names)}", *TINY, *sources, *paddings, *more)
    return [word for setting in chosen for word in ("--set", setting)]


@pytest.mark.parametrize("n_tasks", [1, 2, 3])
def test_steps_as_graphs_and_as_they_come_give_the_same_bits(program, n_tasks):
    for name, graphs in (("graphs", "auto"), ("eager", "off")):
        done = program(
            *("run", *settings(n_tasks, *RETRAINING, f"run.graphs={graphs}"), "--name", name)
        )
        assert done.returncode == 0, done.stderr
    runs = [str(program.folder / "runs" / name / "seed-0") for name in ("graphs", "eager")]
    compared = program("verify", *runs)
    assert compared.returncode == 0, compared.stdout
    (attempt,) = (program.folder / "runs/graphs/seed-0/attempts").iterdir()
    provenance = [json.loads(line) for line in attempt.read_text().splitlines()]
    assert any(line.get("graphs") for line in provenance), "graphs were not used; see the warning"


def test_a_run_that_was_stopped_ends_in_the_same_bits(program, start_python):
    words = settings(2, *RETRAINING)
    assert program("run", *words, "--name", "whole").returncode == 0
    where = ["--runs", program.folder / "runs", "--data", program.folder / "data"]
    run = ["-m", "emtnas_hpc", "run", program.folder / "blank.toml", *words, "--name", "cut"]
    process = start_python(*run, *where, "--device", "cuda", "--events")
    for line in process.stdout:
        if '"training"' in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 4, "the signal came too late to stop anything"
    assert program("run", *words, "--name", "cut").returncode == 0
    runs = [str(program.folder / "runs" / name / "seed-0") for name in ("whole", "cut")]
    assert program("verify", *runs).returncode == 0


def test_a_card_without_room_is_one_line(program):
    done = program("run", *settings(1, "supernet.channels=100000"), "--name", "huge")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    assert "out of memory on the GPU" in error
    assert "supernet.channels" in error
