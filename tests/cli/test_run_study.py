import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, Start, run_here, snapshot
from studies import NAMES, write_study

from emtnas_hpc.cli.seeds import load_named

pytestmark = pytest.mark.slow


@pytest.fixture
def study(here: Path) -> Path:
    return write_study(here)


@pytest.fixture(scope="module")
def done(once: Callable[..., Path], data: Path) -> Path:
    """A folder with the study and its finished runs. Not to be written to."""

    def fill(folder: Path) -> None:
        where = ("--runs", folder / "runs", "--data", data)
        assert run_here("run", write_study(folder), "--seeds", 2, *where).code == 0

    return once("study", fill)


def test_a_study_is_run_experiment_by_experiment_and_ends_in_one_report(
    emtnas: Emtnas, study: Path, data: Path
) -> None:
    result = emtnas("run", study, "--data", data)
    assert result.code == 0, result.err
    assert sorted(path.name for path in Path("runs").iterdir()) == sorted(NAMES)
    finished = [line for line in result.err.splitlines() if "finished" in line]
    assert finished == [f"{name} seed 0: finished, 2 generations" for name in NAMES]
    for name in NAMES:
        assert f"{name}: seed 0 (n = 1)" in result.out
        assert f" {name} seed 0: generation 2/2" in result.err


@pytest.mark.usefixtures("warm_children")
def test_experiments_and_seeds_side_by_side_find_what_they_find_one_after_the_other(
    emtnas: Emtnas, done: Path, study: Path, data: Path
) -> None:
    result = emtnas("run", study, "--seeds", 2, "--parallel", 2, "--data", data)
    assert result.code == 0, result.err
    for run in (f"{name}/seed-{seed}" for name in NAMES for seed in (0, 1)):
        assert f"{run.replace('/seed-', ' seed ')}: finished, 2 generations" in result.err
        assert emtnas("verify", done / "runs" / run, f"runs/{run}").code == 0


def test_a_run_that_was_typed_by_hand_is_found_by_a_study(
    emtnas: Emtnas, study: Path, data: Path
) -> None:
    assert emtnas("run", "small.toml", "--data", data).code == 0
    before = snapshot(Path("runs/small/seed-0/search"))
    result = emtnas("run", study, "--data", data)
    assert result.code == 0
    assert " small seed 0: generation" not in result.err
    assert "small seed 0: finished, 2 generations" in result.err
    assert snapshot(Path("runs/small/seed-0/search")) == before


def test_other_settings_of_one_experiment_are_refused_before_any_begins(
    emtnas: Emtnas, study: Path, data: Path, done: Path
) -> None:
    (last, first) = NAMES
    shutil.copytree(done / "runs" / first / "seed-0", Path("runs") / last / "seed-0")
    result = emtnas("run", study, "--data", data)
    assert (result.code, result.out) == (2, "")
    assert "small/seed-0 was made with other settings: search.reevaluate is false" in result.err
    assert [path.name for path in Path("runs").iterdir()] == [last]


def test_data_that_any_experiment_lacks_is_named_before_the_first_begins(
    emtnas: Emtnas, here: Path, study: Path, data: Path
) -> None:
    lacking = (
        '"retraining.normal_cells=[1]"',
        """'retraining.transfer=["other"]'""",
        '"task.other.source=npz:gone.npz"',
    )
    last = (
        f'[[experiments]]\npreset = "small.toml"\nset = ["search.rmp=0.5", {", ".join(lacking)}]\n'
    )
    study.write_text(study.read_text() + last)
    result = emtnas("run", study, "--data", data)
    assert (result.code, result.out) == (2, "")
    assert "gone.npz" in result.err
    assert not Path("runs").exists()


def test_a_stop_ends_all_experiments(start: Start, study: Path, data: Path) -> None:
    process = start("run", study, "--set", "search.generations=1000", "--data", data)
    assert process.stderr is not None
    for line in process.stderr:
        if "generation 1/" in line:
            break
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert err.endswith("stopped with work left; the same command goes on from there\n")
    assert len(list(Path("runs").iterdir())) == 1


def test_a_search_that_is_finished_under_another_name_is_used(
    emtnas: Emtnas, done: Path, data: Path
) -> None:
    shutil.copytree(done / "runs", "runs")
    shutil.rmtree("runs/small+reevaluate=false")
    Path("runs/small").rename("runs/renamed")
    before = snapshot(Path("runs/renamed/seed-0/search"))
    result = emtnas("run", done / "study.toml", "--data", data)
    assert result.code == 0, result.err
    assert (
        "small seed 0: this search is finished in runs/renamed/seed-0, which is used\n"
        in result.err
    )
    assert snapshot(Path("runs/renamed/seed-0/search")) == before
    assert not Path("runs/small").exists()
    assert Path("runs/small+reevaluate=false").exists()
    assert {run["directory"] for run in json.loads(emtnas("report", "--json").out)["seeds"]} == {
        "runs/renamed/seed-0",
        "runs/renamed/seed-1",
        "runs/small+reevaluate=false/seed-0",
    }


@pytest.mark.usefixtures("warm_children")
@pytest.mark.parametrize("parallel", [1, 2])
def test_what_is_used_is_carried_on_there(
    emtnas: Emtnas, finished: Path, data: Path, parallel: int
) -> None:
    shutil.copytree(finished, "runs")
    settings = ("retraining.recipe=quick", "retraining.channels=2", "retraining.epochs=1")
    asked = [word for s in (*settings, "retraining.normal_cells=[1]") for word in ("--set", s)]
    result = emtnas("run", *TINY, *asked, "--data", data, "--seeds", 2, "--parallel", parallel)
    assert result.code == 0, result.err
    assert "seed 1: this search is finished in runs/tiny/seed-1, which is used\n" in result.err
    assert "generation" not in result.err.replace("2 generations and 1 retraining", "")
    assert [path.name for path in Path("runs").iterdir()] == ["tiny"]
    assert len(list(Path("runs").glob("tiny/*/retraining/digits-n1-*"))) == 2


def test_who_asks_for_a_name_gets_a_search_of_that_name(
    emtnas: Emtnas, finished: Path, data: Path
) -> None:
    shutil.copytree(finished, "runs")
    assert emtnas("run", *TINY, "--name", "again", "--data", data).code == 0
    assert emtnas("verify", "tiny/seed-0", "again/seed-0").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "table3", "--name", "mine"),
            "--name is 'mine', but table3 is a study, whose experiments have names of their own; "
            "leave --name out",
        ),
        (
            ("run", "table3", "--set", "search.rmp=2"),
            "table3, cifar10-single --set search.rmp=2: search.rmp is 2, expected a number from "
            "0 to 1",
        ),
        (
            ("retrain", "table3", "--random", 3),
            "table3 is a study, expected one experiment; its experiments are: cifar10-single, "
            "cifar100-single, cifar",
        ),
        (
            ("doctor", "study.toml"),
            "study.toml is a study, expected one experiment; its experiments are: small.toml, "
            "small.toml --set search.reevaluate=false",
        ),
        (
            ("prepare", "study.toml", "--set", "task.mnist5k.pool=2"),
            "task.mnist5k is set, but the tasks of the study are digits",
        ),
    ],
)
def test_what_a_study_cannot_be_is_said_in_one_line(
    emtnas: Emtnas, study: Path, arguments: tuple[object, ...], message: str
) -> None:
    result = emtnas(*arguments)
    assert (result.code, result.out, result.err) == (2, "", f"error: {message}\n")


def test_experiments_that_settings_make_equal_are_run_once(study: Path) -> None:
    (named,) = load_named(str(study), ["search.reevaluate=false"], None)
    assert named.experiment.name == "small+reevaluate=false"


def test_two_experiments_for_one_folder_are_refused(
    emtnas: Emtnas, study: Path, data: Path
) -> None:
    entry = '[[experiments]]\npreset = "small.toml"\n'
    study.write_text(f'{entry}{entry}set = ["retraining.normal_cells=[3]"]\n')
    result = emtnas("run", "study.toml", "--data", data)
    assert result.code == 2
    assert result.err == (
        "error: study.toml has two experiments for the folder small: small.toml and "
        "small.toml --set 'retraining.normal_cells=[3]'\n"
    )


def test_prepare_prepares_each_data_set_of_a_study_once(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    transfer = ('retraining.transfer=["other"]', 'task.other.source="package:digits"')
    study = write_study(here, *transfer)
    result = emtnas("prepare", study, "--data", data, "--json")
    assert result.code == 0, result.err
    assert [row["task"] for row in json.loads(result.out)] == ["digits", "other"]
