import os
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.commits import remove_stale
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths, temporary_name
from emtnas_hpc.errors import SupersededError


@pytest.fixture
def leftovers(paths: RunPaths, claim: Lease) -> list[Path]:
    """Of the attempt `dead`: a half-written commit, a half-deleted one, a half-written file."""
    stage = paths.stage("retraining/a-n2")
    for path in (stage.temporary(4, "dead"), stage.outgoing(2, "dead")):
        path.mkdir(parents=True)
        (path / "state.h5").touch()
    file = temporary_name(paths.experiment, "dead")
    file.touch()
    return [stage.temporary(4, "dead"), stage.outgoing(2, "dead"), file]


def _all(paths: RunPaths) -> set[Path]:
    return {path for path in paths.directory.rglob("*") if path.name.startswith(".")}


def test_what_a_superseded_attempt_left_is_deleted(
    paths: RunPaths, claim: Lease, leftovers: list[Path]
) -> None:
    remove_stale(paths, claim, {"dead"})
    assert _all(paths) == set()


def test_what_others_are_writing_is_left_alone(
    paths: RunPaths, claim: Lease, leftovers: list[Path]
) -> None:
    remove_stale(paths, claim, {"beef"})
    assert _all(paths) == set(leftovers)


def test_a_superseded_process_cleans_nothing(
    paths: RunPaths, claim: Lease, leftovers: list[Path]
) -> None:
    acquire(paths, this_process(), take_over=True)
    with pytest.raises(SupersededError):
        remove_stale(paths, claim, {"dead"})
    assert _all(paths) == set(leftovers)


def test_what_cannot_be_deleted_is_left_for_the_next_owner(
    paths: RunPaths, claim: Lease, leftovers: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse)
    remove_stale(paths, claim, {"dead"})
    assert _all(paths) == set(leftovers)
    monkeypatch.undo()
    remove_stale(paths, claim, {"dead"})
    assert _all(paths) == set()


def test_cleaning_that_was_cut_short_is_finished_by_the_next_owner(
    paths: RunPaths, claim: Lease, leftovers: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        patch.setattr(os, "unlink", lambda *_: None)
        remove_stale(paths, claim, {"dead"})
    assert len(_all(paths)) == 3
    remove_stale(paths, claim, {claim.token})
    assert _all(paths) == set()
