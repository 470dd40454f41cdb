import hashlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, Emtnas, Start, snapshot

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli import retrain
from emtnas_hpc.pipeline import run_stages
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.space.architecture import decode, format_genotype

pytestmark = pytest.mark.slow

QUICK = (
    *("--recipe", "quick", "--normal-cells", 1),
    *("--set", "retraining.channels=2", "--set", "retraining.epochs=1"),
    *("--set", "retraining.batch_size=128"),
)
LABEL = "quick+channels=2+epochs=1+batch_size=128"
GENOTYPE = format_genotype(decode((0,) * 40))


@pytest.fixture
def runs(finished: Path, here: Path) -> Path:
    """A copy of the finished search, seeds 0 and 1."""
    shutil.copytree(finished, here / "runs")
    return here / "runs"


def test_what_a_run_found_is_trained_from_scratch_and_its_verdict_is_the_result(
    emtnas: Emtnas, runs: Path, data: Path
) -> None:
    result = emtnas("retrain", "tiny", *QUICK, "--data", data)
    assert result.code == 0, result.err
    heading, _rule, *rows = result.out.splitlines()
    assert heading.split()[:3] == ["run", "retraining", "epochs"]
    assert [row.split()[:3] for row in rows] == [
        [f"runs/tiny/seed-{seed}", f"digits-n1-{LABEL}", "1/1"] for seed in (0, 1)
    ]
    assert f"seed 1: digits-n1-{LABEL}: test accuracy " in result.err
    again = emtnas("retrain", "tiny", *QUICK, "--data", data)
    assert (again.code, again.out) == (0, result.out)
    assert "step" not in again.err


def test_the_verdict_as_json_has_what_was_measured(emtnas: Emtnas, runs: Path, data: Path) -> None:
    result = emtnas("retrain", "tiny/seed-0", *QUICK, "--data", data, "--json")
    (row,) = json.loads(result.out)
    assert (row["task"], row["found_on"], row["epochs"]) == ("digits", "digits", 1)
    assert 0 <= row["test"]["accuracy"] <= row["test"]["top5"] <= 1
    shown = json.loads(emtnas("inspect", "tiny/seed-0", "--json").out)
    assert row["individual"] == shown["tasks"][0]["incumbent"]
    assert shown["retrainings"][0]["test"] == row["test"]


def test_inspect_lists_the_retrainings(emtnas: Emtnas, runs: Path, data: Path) -> None:
    emtnas("retrain", "tiny/seed-0", *QUICK, "--data", data)
    lines = emtnas("inspect", "tiny/seed-0").out.splitlines()
    listed = lines[lines.index("retrainings") :]
    assert listed[1].split()[0] == "retraining"
    assert listed[3].split()[:2] == [f"digits-n1-{LABEL}", "1/1"]


def test_a_transfer_is_trained_on_another_data_set(emtnas: Emtnas, runs: Path, data: Path) -> None:
    on = ("--on", "other", "--set", "task.other.source=package:digits")
    result = emtnas("retrain", "tiny/seed-0", *on, *QUICK, "--data", data, "--json")
    assert result.code == 0, result.err
    (row,) = json.loads(result.out)
    assert (row["task"], row["found_on"]) == ("other", "digits")
    assert row["name"] == f"digits-on-other-n1-{LABEL}"


@pytest.mark.parametrize("how", ["--genotype", "--file", "--random"])
def test_an_architecture_from_elsewhere_has_a_run_of_its_own(
    emtnas: Emtnas, here: Path, data: Path, how: str
) -> None:
    (here / "found.txt").write_text(f"{GENOTYPE}\n")
    given = {"--genotype": GENOTYPE, "--file": "found.txt", "--random": 7}[how]
    command = ("retrain", "quickstart", how, given, "--on", "digits", *QUICK, "--data", data)
    result = emtnas(*command, "--seeds", "0,3", "--json")
    assert result.code == 0, result.err
    rows = json.loads(result.out)
    assert [row["seed"] for row in rows] == [0, 3]
    (folder,) = (here / "runs").iterdir()
    what = "random=7" if how == "--random" else f"genotype={_digest()}"
    assert folder.name == f"quickstart+{what}"
    assert {row["found_on"] for row in rows} == {None}
    assert how == "--random" or {row["genotype"] for row in rows} == {GENOTYPE}
    shown = emtnas("inspect", folder / "seed-3")
    assert shown.code == 0, shown.err
    assert "retrainings" in shown.out
    again = emtnas(*command, "--seeds", "0,3", "--json")
    assert again.out == result.out


def _digest() -> str:
    return hashlib.sha256(GENOTYPE.encode()).hexdigest()[:8]


def test_another_architecture_under_the_same_name_is_refused(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    common = ("--on", "digits", "--name", "mine", *QUICK, "--data", data)
    assert emtnas("retrain", "quickstart", "--random", 7, *common).code == 0
    before = snapshot(here)
    result = emtnas("retrain", "quickstart", "--random", 8, *common)
    assert result.code == 2
    assert "was made with other settings: genotype is reduction: " in result.err
    assert snapshot(here) == before


def test_two_runs_are_verified_with_their_retrainings(
    emtnas: Emtnas, runs: Path, data: Path, here: Path
) -> None:
    emtnas("retrain", "tiny/seed-0", *QUICK, "--data", data)
    shutil.copytree(runs / "tiny", runs / "copy")
    equal = emtnas("verify", "tiny/seed-0", "copy/seed-0")
    assert equal.code == 0
    assert equal.out.splitlines()[1] == (
        f"retraining/digits-n1-{LABEL} of runs/tiny/seed-0 and runs/copy/seed-0 are equal bit for "
        "bit at step 1"
    )
    shutil.rmtree(runs / "copy/seed-0/retraining")
    other = emtnas("retrain", "copy/seed-0", *QUICK, "--data", data)
    assert other.code == 0
    assert emtnas("verify", "tiny/seed-0", "copy/seed-0").out == equal.out


def test_runs_of_architectures_from_elsewhere_are_verified_too(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    for name, seed in (("a", 7), ("b", 8)):
        options = ("--on", "digits", "--name", name, *QUICK, "--data", data)
        assert emtnas("retrain", "quickstart", "--random", seed, *options).code == 0
    result = emtnas("verify", "a", "b")
    assert result.code == 5
    assert "differ at step 1: record.json: header.genotype is reduction: " in result.out


def test_a_retraining_that_is_stopped_goes_on(
    emtnas: Emtnas, start: Start, runs: Path, data: Path
) -> None:
    command = ("retrain", "tiny/seed-0", *QUICK, "--set", "retraining.epochs=500", "--data", data)
    process = start(*command)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 2/500" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert (process.returncode, out) == (4, "")
    assert err.splitlines()[-1] == "stopped with work left; the same command goes on"
    (stage,) = RunPaths(runs / "tiny/seed-0").stages()[1:]
    assert stage.steps()[-1] >= 2
    assert not (runs / "tiny/seed-0/owner").exists()


def test_a_run_whose_search_is_not_finished_keeps_no_other_one_from_its_retraining(
    emtnas: Emtnas, runs: Path, data: Path
) -> None:
    shutil.rmtree(runs / "tiny/seed-0/search")
    result = emtnas("retrain", "tiny", *QUICK, "--data", data)
    assert result.code == 1
    (line,) = (line for line in result.err.splitlines() if line.startswith("error: "))
    assert "seed-0: the search has reached generation 0" in line
    _heading, _rule, verdict = result.out.splitlines()
    assert verdict.split()[:3] == ["runs/tiny/seed-1", f"digits-n1-{LABEL}", "1/1"]


@pytest.fixture
def seed_0_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_or_carry_on(request: RunSpec, *others: Any, **options: Any) -> Outcome:
        if request.seed == 0:
            raise RuntimeError("CUDA out of memory")
        return run_stages(request, *others, **options)

    monkeypatch.setattr(retrain, "run_stages", fail_or_carry_on)


@pytest.mark.usefixtures("seed_0_fails")
def test_a_run_that_fails_as_nobody_foresaw_keeps_no_other_one_from_its_retraining(
    emtnas: Emtnas, runs: Path, data: Path
) -> None:
    result = emtnas("retrain", "tiny", *QUICK, "--data", data, "--json")
    assert result.code == 1
    (line,) = (line for line in result.err.splitlines() if line.startswith("error: "))
    assert line == (
        "error: runs/tiny/seed-0: unexpected RuntimeError: CUDA out of memory; "
        "emtnas-hpc --debug shows where"
    )
    (verdict,) = json.loads(result.out)
    assert verdict["run"] == "runs/tiny/seed-1"


@pytest.mark.usefixtures("seed_0_fails")
def test_where_one_run_among_several_fails_is_shown_on_demand(
    emtnas: Emtnas, runs: Path, data: Path
) -> None:
    result = emtnas("retrain", "tiny", *QUICK, "--data", data, "--debug")
    assert "Traceback (most recent call last)" in result.err
    assert "in fail_or_carry_on" in result.err


@pytest.mark.usefixtures("seed_0_fails")
def test_a_retraining_that_fails_alone_has_no_verdict(
    emtnas: Emtnas, runs: Path, data: Path
) -> None:
    result = emtnas("retrain", "tiny/seed-0", *QUICK, "--data", data)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: unexpected RuntimeError: CUDA out of memory; ")


def test_the_architecture_from_elsewhere_can_be_drawn(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    options = ("--on", "digits", "--name", "mine", *QUICK, "--data", data)
    assert emtnas("retrain", "quickstart", "--random", 7, *options).code == 0
    result = emtnas("inspect", "mine", "--svg", "pictures")
    assert result.code == 0, result.err
    drawn = sorted(path.name for path in (here / "pictures").iterdir())
    assert drawn == [f"digits-n1-{LABEL}-{kind}.svg" for kind in ("normal", "reduction")]


REFUSED = [
    ([], "no run is named; name one, or give --genotype, --file or --random"),
    (["tiny", "--name", "x"], "--name and --seeds are for architectures from elsewhere; a run has"),
    (["tiny"], "retraining.normal_cells is empty; say with --normal-cells how deep"),
    (["tiny", "--normal-cells", 0], "--normal-cells is 0, expected at least 1"),
    (["tiny", "--task", "other", *QUICK], "unknown data set 'other'; known are: "),
    (["tiny", "--task", "mnist5k", *QUICK], "task is 'mnist5k', expected one of digits"),
    (["tiny", "--on", "other", *QUICK], "unknown data set 'other'; known are: "),
    (["tiny", "--recipe", "best"], "retraining.recipe is 'best', expected 'imagenet' or 'long' or"),
    (
        ["tiny", "--set", "search.rmp=0", *QUICK],
        "search is set, expected settings of",
    ),
    (["--random", 1, "--genotype", "x"], "--genotype, --file and --random exclude each other"),
    (["--genotype", "x"], "genotype: found 1 cells, expected 2 separated by ';'"),
    (["--file", "nothing"], "--file is 'nothing', which cannot be read: No such file or directory"),
    (["a", "b", "--random", 1], "an architecture from elsewhere takes one experiment, found a, b"),
    (["--random", 1, "--on", "digits", "--task", "digits"], "--task and --on both name data sets"),
    (["--random", -1], "seed is -1, expected 0 to 4294967295"),
    (["quickstart", "--random", 1, "--name", "tiny"], "is the run of a search; choose another"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_cannot_be_retrained_is_answered_in_one_line_and_changes_nothing(
    emtnas: Emtnas, runs: Path, arguments: list[object], message: str
) -> None:
    before = snapshot(runs)
    result = emtnas("retrain", *arguments)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert message in line
    assert snapshot(runs) == before


def test_data_that_is_missing_is_named_with_the_command_that_prepares_it(
    emtnas: Emtnas, runs: Path
) -> None:
    result = emtnas("retrain", "tiny/seed-0", "--on", "pathmnist", *QUICK, "--data", "away")
    assert result.code == 2
    assert result.err.endswith(
        "make it anew with: emtnas-hpc prepare cifar --set 'tasks=[\"pathmnist\"]' --data away\n"
    )


def test_a_run_ends_in_its_retrainings(emtnas: Emtnas, here: Path, data: Path) -> None:
    quick = [str(word) for word in QUICK if "retraining." in str(word)]
    sets = [word for setting in quick for word in ("--set", setting)]
    more = ("--set", "retraining.recipe=quick", "--set", "retraining.normal_cells=[1]", *sets)
    result = emtnas("run", *TINY, *more, "--name", "whole", "--data", data)
    assert result.code == 0, result.err
    lines = result.err.splitlines()
    assert "step 1/1, " in lines[-3]
    assert f": digits-n1-{LABEL}: epoch 1/1, loss " in lines[-3]
    assert lines[-2].startswith(f"seed 0: digits-n1-{LABEL}: test accuracy ")
    assert lines[-1] == "seed 0: finished, 2 generations and 1 retraining"
