import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Emtnas
from fake_slurm import FakeSlurm
from launches import NAMED, launch, run

from emtnas_hpc.slurm.job_files import write_flag

pytestmark = pytest.mark.slow


def test_the_plan_tells_every_value_with_its_origin(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--partition", "gpu", "--time", "6:00:00", "--dry-run")
    rows = {line.split("  ")[0]: line for line in result.out.splitlines()}
    assert "--partition" in rows["partition"]
    assert "06:00:00" in rows["time"]
    assert "--time" in rows["time"]
    assert "the shipped default" in rows["memory_gb"]
    assert "2 min 01 s" in rows["a generation"]
    assert "guess: the paper's CIFAR search on a 2080Ti" in rows["a generation"]
    assert "Without any waiting in the queue the last seed ends on" in result.out
    assert "On the disk these runs will take up to" in result.out


def test_a_dry_run_shows_what_sbatch_would_get_and_writes_nothing(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path
) -> None:
    result = launch(emtnas, data, "--dry-run", "--sbatch", "comment=mine")
    assert result.code == 0
    assert "#SBATCH --job-name=emtnas-tiny-s0-00000000\n" in result.out
    assert "#SBATCH --comment=mine\n" in result.out
    assert "submitit.core._submit" in result.out
    assert slurm.submissions == 0
    assert list(here.iterdir()) == []


def test_as_json_the_plan_and_the_jobs_are_one_document(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--seeds", "3,", "--json")
    [experiment] = json.loads(result.out)["experiments"]
    assert experiment["request"]["partition"] == {
        "value": "gpu",
        "origin": "SLURM's default partition",
    }
    [seed] = experiment["seeds"]
    assert (seed["seed"], seed["state"], seed["action"]) == (3, "new", "submitted")
    assert seed["jobs"] == ["1", "2"]
    assert seed["plan"]["n_jobs"] == 1
    assert "sbatch" not in experiment
    assert (
        "sbatch"
        in json.loads(launch(emtnas, data, "--seeds", "4,", "--json", "--dry-run").out)[
            "experiments"
        ][0]
    )


def test_what_was_measured_takes_the_place_of_the_guess(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path
) -> None:
    where = ("--runs", finished, "--data", data, "--seeds", "7,", "--dry-run", "--json")
    result = emtnas("launch", *NAMED, *where)
    [experiment] = json.loads(result.out)["experiments"]
    assert experiment["seconds_per_generation"]["origin"].startswith("measured in seed-0, seed-1")
    assert experiment["seconds_per_generation"]["value"] < 60
    assert experiment["commit_bytes"]["origin"] == "measured in seed-0"


def _planned(emtnas: Emtnas, data: Path, *arguments: object) -> dict[str, Any]:
    result = launch(emtnas, data, "--dry-run", "--json", *arguments)
    assert result.code == 0, result.err
    [experiment] = json.loads(result.out)["experiments"]
    return dict(experiment)


RETRAINED = ("--set", "retraining.normal_cells=[1, 2]", "--set", "retraining.channels=4")


def test_the_time_of_retraining_is_unknown_until_it_has_been_measured(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    planned = _planned(emtnas, data, *RETRAINED)
    [seed], [without] = planned["seeds"], _planned(emtnas, data)["seeds"]
    assert [name.split("-long")[0] for name in seed["guessed_stages"]] == [
        "retraining/digits-n1",
        "retraining/digits-n2",
    ]
    assert without["guessed_stages"] == []
    assert seed["plan"] == without["plan"]
    out = launch(emtnas, data, *RETRAINED, "--dry-run").out
    assert "Without any waiting in the queue the last search ends on " in out
    assert "Retraining: unknown until the first epoch (digits-n1-long+channels=4, digits-n2" in out


def test_retraining_is_planned_as_it_was_measured_in_a_sibling(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    shorter = (*RETRAINED[:1], "retraining.normal_cells=[1]", *RETRAINED[2:])
    epochs = ("--set", "retraining.epochs=2")
    assert emtnas("run", *NAMED, *shorter, *epochs, "--data", data).code == 0
    planned = _planned(emtnas, data, *shorter, *epochs, "--seeds", "1,")
    [seed] = planned["seeds"]
    assert seed["guessed_stages"] == []
    assert seed["plan"]["seconds"] > 2 * planned["seconds_per_generation"]["value"]


def test_too_few_standby_jobs_for_a_long_search_are_warned_of_though_its_time_is_a_guess(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, tmp_path: Path
) -> None:
    profile = tmp_path / "ours.toml"
    profile.write_text("spares = 2\n")
    options = ("--profile", profile, "--time", "5")
    [line] = _planned(emtnas, data, *options, "--set", "search.generations=9")["warnings"]
    assert " jobs (a guess), and 3 are queued" in line
    assert _planned(emtnas, data, *options)["warnings"] == []


def test_the_disk_is_counted_as_far_as_it_is_still_to_be_written(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path, here: Path
) -> None:
    fresh = _planned(emtnas, data)
    assert fresh["disk_bytes"] == pytest.approx(3 * fresh["commit_bytes"]["value"])
    shutil.copytree(finished, here / "runs")
    assert _planned(emtnas, data)["disk_bytes"] == 0
    retrained = _planned(emtnas, data, *RETRAINED)
    # Of each of the two networks two commits are kept, and one is on its way.
    assert 0 < retrained["disk_bytes"] < 5 * retrained["commit_bytes"]["value"]
    beside = _planned(emtnas, data, "--seeds", 3)
    assert beside["disk_bytes"] == pytest.approx(3 * beside["commit_bytes"]["value"])
    shutil.rmtree(run(1).stage("search").commit(2))
    begun = _planned(emtnas, data, "--seeds", "1,")
    n_there = len(run(1).stage("search").steps())
    assert begun["disk_bytes"] == pytest.approx((3 - n_there) * begun["commit_bytes"]["value"])


def test_a_seed_that_was_cancelled_takes_no_more_of_the_disk(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    write_flag(run(0).cancelled, "by me", "token")
    assert _planned(emtnas, data)["disk_bytes"] == 0
