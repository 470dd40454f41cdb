import errno
import os
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import (
    RunPaths,
    find_temporaries,
    launched_runs,
    runs_below,
    runs_of,
    seed_run,
)
from emtnas_hpc.errors import StorageError


def test_every_file_of_a_run_has_its_documented_name(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    stage = run.stage("search")
    names = [
        run.experiment,
        run.owner,
        run.cancelled,
        run.failed,
        run.attempt(7, "ab12"),
        stage.commit(42),
        stage.temporary(42, "ab12"),
        stage.outgoing(42, "ab12"),
        stage.aside(42, "damaged"),
    ]
    assert [str(name.relative_to(tmp_path)) for name in names] == [
        "experiment.toml",
        "owner",
        "cancelled",
        "failed",
        "attempts/0007-ab12.jsonl",
        "search/000042",
        "search/.tmp-000042-ab12",
        "search/.old-000042-ab12",
        "search/000042.damaged-1",
    ]


def test_only_exact_commit_names_count_as_steps(tmp_path: Path) -> None:
    stage = RunPaths(tmp_path).stage("search")
    for name in ("000002", "000010", "1000000", "000010.damaged-1", "42", "0000042", "000003.bak"):
        (stage.directory / name).mkdir(parents=True)
    assert stage.steps() == [2, 10, 1000000]


def test_a_stage_without_a_directory_has_no_steps(tmp_path: Path) -> None:
    assert RunPaths(tmp_path).stage("search").steps() == []


def test_a_commit_is_never_set_aside_onto_an_earlier_one(tmp_path: Path) -> None:
    stage = RunPaths(tmp_path).stage("search")
    stage.aside(5, "damaged").mkdir(parents=True)
    assert stage.aside(5, "damaged").name == "000005.damaged-2"


def test_attempts_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.attempts.mkdir()
    for number, token in ((10000, "a"), (2, "c"), (2, "b")):
        run.attempt(number, token).touch()
    (run.attempts / "notes.txt").touch()
    found = [(attempt.number, attempt.token) for attempt in run.find_attempts()]
    assert found == [(2, "b"), (2, "c"), (10000, "a")]


def test_stages_are_the_search_and_then_the_retrainings(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    assert run.stages() == []
    for name in ("retraining/b-n2", "retraining/a-n2", "search", "attempts"):
        run.stage(name).directory.mkdir(parents=True)
    names = [str(stage.directory.relative_to(tmp_path)) for stage in run.stages()]
    assert names == ["search", "retraining/a-n2", "retraining/b-n2"]
    assert [stage.name for stage in run.stages()] == names
    assert [run.stage(name) for name in names] == run.stages() == [run.search, *run.retrainings()]


def test_temporary_names_tell_whose_they_are(tmp_path: Path) -> None:
    stage = RunPaths(tmp_path).stage("search")
    stage.temporary(1, "aa11").mkdir(parents=True)
    stage.outgoing(2, "bb22").mkdir()
    stage.commit(3).mkdir()
    assert {token for token, _ in find_temporaries(stage.directory)} == {"aa11", "bb22"}


def test_a_directory_that_cannot_be_listed_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(StorageError, match=r"cannot read .*search"):
        RunPaths(tmp_path).stage("search").steps()


def test_a_seed_has_its_own_directory_under_the_experiments_name(tmp_path: Path) -> None:
    assert seed_run(tmp_path, "cifar+rmp=0.1", 3).directory == tmp_path / "cifar+rmp=0.1/seed-3"


def test_runs_are_found_by_experiment_and_by_seed(tmp_path: Path) -> None:
    runs = [seed_run(tmp_path, name, seed) for name in ("a", "b") for seed in (0, 1)]
    for run in runs:
        run.directory.mkdir(parents=True)
    assert runs_below(tmp_path) == runs
    assert runs_below(tmp_path, 1) == [runs[1], runs[3]]
    assert runs_of(tmp_path / "b") == runs[2:]
    assert [run.seed for run in runs_of(tmp_path / "b")] == ["0", "1"]


def test_a_deleted_run_is_still_known_by_what_slurm_was_told_of_it(tmp_path: Path) -> None:
    run = seed_run(tmp_path, "a", 4)
    run.jobs.directory.mkdir(parents=True)
    assert launched_runs(tmp_path / "a") == [run]
