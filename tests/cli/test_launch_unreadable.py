"""Seeds of which something cannot be read: a job could not read it either."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import Emtnas, snapshot
from fake_slurm import FakeSlurm
from launches import launch, run

from emtnas_hpc.checkpoint.paths import JobsPaths
from emtnas_hpc.errors import StorageError
from emtnas_hpc.slurm.job_files import JobRecord

DAMAGED = "no commit has a good state.h5; the newest, runs/tiny/seed-0/search/000002: "


@pytest.fixture
def damaged(here: Path, finished: Path) -> Path:
    """Two seeds that are done, of which no commit of the first can be read."""
    shutil.copytree(finished, here / "runs")
    for state in run(0).search.directory.glob("*/state.h5"):
        state.write_bytes(b"noise")
    return run(0).directory


def test_a_seed_without_a_good_commit_is_left_alone_and_the_others_go_on(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, damaged: Path
) -> None:
    before = snapshot(damaged)
    result = launch(emtnas, data, "--seeds", 3)
    assert result.code == 1
    assert result.err.startswith(f"error: {damaged} is left alone: {DAMAGED}")
    assert len(result.err.splitlines()) == 1
    assert f"tiny, seed 0: left alone, unreadable: {DAMAGED}" in result.out
    assert "tiny, seed 1: left alone, done\ntiny, seed 2: submitted: job 1, 2" in result.out
    assert snapshot(damaged) == before


def test_every_seed_that_is_left_alone_is_told_of(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, damaged: Path
) -> None:
    run(1).cancelled.mkdir()  # cannot be read
    shutil.rmtree(run(1).search.directory)
    result = launch(emtnas, data, "--seeds", 2)
    assert (result.code, slurm.submissions) == (1, 0)
    first, second = result.err.splitlines()
    assert first.startswith(f"error: {damaged} is left alone: {DAMAGED}")
    assert second.startswith("error: runs/tiny/seed-1 is left alone: cannot read runs/tiny/seed-1/")


def test_a_plan_tells_of_it_too(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, damaged: Path
) -> None:
    result = launch(emtnas, data, "--dry-run", "--json")
    assert (result.code, slurm.submissions) == (1, 0)
    assert result.err.startswith(f"error: {damaged} is left alone: {DAMAGED}")
    [seed] = json.loads(result.out)["experiments"][0]["seeds"]
    assert (seed["action"], seed["state"], seed["jobs"]) == ("left alone", "unreadable", [])
    assert (seed["why"][: len(DAMAGED)], seed["disk_bytes"]) == (DAMAGED, 0)


def test_a_mark_that_cannot_be_read_is_no_reason_to_resume(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    assert launch(emtnas, data, "--seeds", 2).code == 0
    slurm.end("1", "2", "3", "4")
    run(0).cancelled.mkdir()
    result = emtnas("resume", "--json")
    assert result.code == 1
    assert result.err.startswith("error: runs/tiny/seed-0 is left alone: cannot read runs/tiny/")
    seeds = json.loads(result.out)["experiments"][0]["seeds"]
    assert [seed["action"] for seed in seeds] == ["left alone", "submitted"]


def test_a_request_that_cannot_be_read_is_made_anew(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    assert launch(emtnas, data).code == 0
    slurm.end("1", "2")
    run(0).jobs.spec.write_text("noise")
    result = launch(emtnas, data)
    assert (result.code, result.err) == (0, "")
    assert "seed 0: submitted: job 3, 4 behind it" in result.out


def test_records_that_cannot_be_read_are_no_reason_to_submit_once_more(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server may refuse at any moment; what it holds is still there."""
    assert launch(emtnas, data).code == 0
    before = slurm.submissions

    def refuse(_jobs: JobsPaths) -> list[JobRecord]:
        raise StorageError("cannot read runs/tiny/jobs/seed-0: Stale file handle")

    monkeypatch.setattr("emtnas_hpc.slurm.snapshot.read_records", refuse)
    result = launch(emtnas, data)
    assert (result.code, slurm.submissions) == (1, before)
    assert "Stale file handle" in result.err


def test_a_damaged_record_is_no_reason_to_submit_once_more(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    assert launch(emtnas, data).code == 0
    before = slurm.submissions
    run(0).jobs.records()[0].write_text("noise")
    result = launch(emtnas, data, "--seeds", 2)
    assert (result.code, slurm.submissions) == (1, before + 2)
    assert "runs/tiny/seed-0 is left alone: " in result.err
    assert "is not the record of a job" in result.err
