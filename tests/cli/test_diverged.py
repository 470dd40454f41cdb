"""Trainings that diverge, from the command that starts them to the one that exports them."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, run_here, snapshot

pytestmark = pytest.mark.slow

WILD = (
    *("--recipe", "quick", "--normal-cells", 1, "--set", "retraining.learning_rate=1e30"),
    *("--set", "retraining.channels=2", "--set", "retraining.batch_size=128"),
    *("--set", "retraining.epochs=1"),
)


@pytest.fixture(scope="module")
def diverged(once: Callable[..., Path], data: Path) -> Path:
    """A run whose retraining diverged, in `runs`, and what was said; not to be written to."""
    return once("diverged", partial(_diverge, data))


def _diverge(data: Path, folder: Path) -> None:
    settings = ("retraining.normal_cells=[1]", "retraining.learning_rate=1e30")
    settings += ("retraining.epochs=2", "retraining.channels=2", "retraining.recipe=quick")
    overrides = [word for setting in settings for word in ("--set", setting)]
    where = ("--name", "tiny", "--runs", folder / "runs", "--data", data)
    result = run_here("run", *TINY, *overrides, *where)
    assert result.code == 0, result.err
    (folder / "err").write_text(result.err)
    (folder / "out").write_text(result.out)


def _name(folder: Path) -> str:
    (retraining,) = (folder / "runs/tiny/seed-0/retraining").iterdir()
    return retraining.name


def test_it_is_told_once_when_it_happens_with_what_to_do(diverged: Path) -> None:
    name = _name(diverged)
    lines = (diverged / "err").read_text().splitlines()
    assert [line for line in lines if "warning" in line] == [
        f"seed 0: warning: the training of {name} diverged in epoch 1; it goes on, but is no "
        "result and counts in no report: choose a lower retraining.learning_rate"
    ]
    assert f"seed 0: {name}: no test accuracy, since it diverged in epoch 1" in lines
    steps = [line for line in lines if f"{name}: epoch" in line]
    assert [line.partition(f"{name}: ")[2] for line in steps] == [
        f"epoch {n}/2, loss diverged" for n in (1, 2)
    ]


def test_the_tables_at_the_end_of_a_run_say_so(diverged: Path) -> None:
    out = (diverged / "out").read_text()
    assert "diverged (1)" in out
    assert "1 of 1 seed diverged and is left out: seed 0." in out


def test_status_says_so_in_the_table_and_as_json(diverged: Path, emtnas: Emtnas) -> None:
    name = f"retraining/{_name(diverged)}"
    out = emtnas("status", "--runs", diverged / "runs").out
    (row,) = (line for line in out.splitlines() if line.startswith("tiny/seed-0  "))
    assert "done" in row
    assert "digits diverged" in row
    assert f"tiny/seed-0 {name} diverged: no result, and in no mean of a report" in out
    (seed,) = json.loads(emtnas("status", "--json", "--runs", diverged / "runs").out)["seeds"]
    assert seed["diverged"] == [f"{name} diverged"]
    assert seed["test_accuracy"] == {"digits": None}
    assert [stage["diverged"] for stage in seed["stages"]] == [False, True]
    assert [stage["finished"] for stage in seed["stages"]] == [True, True]


def test_inspect_says_so(diverged: Path, emtnas: Emtnas) -> None:
    out = emtnas("inspect", "tiny", "--runs", diverged / "runs").out
    (row,) = (line for line in out.splitlines() if line.startswith(_name(diverged)))
    assert row.split()[1:5] == ["2/2", "diverged", "-", "-"]
    shown = json.loads(emtnas("inspect", "tiny", "--json", "--runs", diverged / "runs").out)
    (retraining,) = shown["retrainings"]
    assert (retraining["diverged"], retraining["test"]["accuracy"]) == ("epoch 1", None)


def test_it_still_verifies_equal(diverged: Path, emtnas: Emtnas) -> None:
    run = diverged / "runs/tiny/seed-0"
    result = emtnas("verify", run, run)
    assert (result.code, result.err) == (0, "")
    assert "are equal bit for bit at step 2" in result.out


def test_its_weights_are_exported_by_force_only(diverged: Path, emtnas: Emtnas, here: Path) -> None:
    arguments = ("export", "tiny", "--runs", diverged / "runs", "--output", "out")
    refused = emtnas(*arguments)
    where = diverged / "runs/tiny/seed-0/retraining" / _name(diverged)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        f"error: {where} diverged in epoch 1: its weights are no result; retrain with a lower "
        "retraining.learning_rate, choose another --retraining, or export it all the same with "
        "--force\n"
    )
    assert snapshot(here) == {}
    forced = emtnas(*arguments, "--force")
    assert forced.code == 0
    assert forced.err == (f"warning: {where} diverged in epoch 1: its weights are no result\n")
    (module,) = (here / "out").glob("*.py")
    assert "test        none: the training diverged in epoch 1, on " in module.read_text()


def test_retrain_says_so_in_its_table(
    emtnas: Emtnas, finished: Path, here: Path, data: Path
) -> None:
    shutil.copytree(finished / "tiny/seed-0", here / "runs/tiny/seed-0")
    result = emtnas("retrain", "tiny/seed-0", *WILD, "--data", data)
    assert result.code == 0, result.err
    (row,) = result.out.splitlines()[2:]
    assert row.split()[3] == "diverged"
    # It was the last epoch: nothing goes on.
    assert "diverged in epoch 1; it is no result and counts in no report" in result.err
    again = emtnas("retrain", "tiny/seed-0", *WILD, "--data", data, "--json")
    (values,) = json.loads(again.out)
    assert (values["diverged"], values["test"]["accuracy"]) == ("epoch 1", None)


def test_a_search_that_diverged_is_told_by_status_inspect_and_report(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    wild = ("--set", "training.learning_rate=1e30")
    assert emtnas("run", *TINY, *wild, "--name", "wild", "--data", data).code == 0
    status = emtnas("status").out
    assert "digits diverged" in status
    assert (
        "wild/seed-0 the search of digits diverged in generation 1: no result, and in no mean of a "
        "report"
    ) in status
    inspected = emtnas("inspect", "wild").out
    assert "the training loss diverged in generation 1: what was found since is noise" in inspected
    report = emtnas("report").out
    (row,) = (line for line in report.splitlines() if line.startswith("digits "))
    assert row.split() == ["digits", *["diverged", "(1)"] * 8]
    assert "digits: 1 of 1 seed diverged and is left out: seed 0." in report


def test_what_a_diverged_search_found_is_exported_by_force_only(
    tmp_path_factory: pytest.TempPathFactory, data: Path, emtnas: Emtnas
) -> None:
    folder = tmp_path_factory.mktemp("search")
    settings = ("training.learning_rate=1e30", "retraining.normal_cells=[1]")
    settings += ("retraining.epochs=1", "retraining.channels=2", "retraining.recipe=quick")
    overrides = [word for setting in settings for word in ("--set", setting)]
    where = ("--runs", folder / "runs")
    assert run_here("run", *TINY, *overrides, "--name", "wild", *where, "--data", data).code == 0
    for how in ((), ("--untrained",)):
        export = ("export", "wild/seed-0", *how, *where, "--output", folder / f"out{len(how)}")
        refused = emtnas(*export)
        assert refused.code == 2
        assert "the search of digits diverged in generation 1" in refused.err
        forced = emtnas(*export, "--force")
        assert (forced.code, "warning: the search of digits diverged" in forced.err) == (0, True)
