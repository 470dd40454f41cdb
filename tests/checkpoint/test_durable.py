import errno
import os
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint import atomic
from emtnas_hpc.errors import StoppedError, StorageError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    atomic.write_file(path, "old", "t0")
    atomic.write_file(path, "new", "t0")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_refused_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "owner"
    path.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StorageError, match=r"cannot write .*owner.*No space left.*make room"):
        atomic.write_file(path, "new", "t0")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_parents_are_created(tmp_path: Path) -> None:
    atomic.make_directory(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_a_file_in_the_place_of_a_directory_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(StorageError, match="runs"):
        atomic.make_directory(tmp_path / "runs" / "seed-0")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_directories_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, "cannot")

    monkeypatch.setattr(os, "fsync", refuse)
    atomic.sync_directory(tmp_path)
    with pytest.raises(OSError, match="cannot"):
        atomic.sync_file(tmp_path)


def test_a_directory_that_fails_to_sync_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="broken"):
        atomic.sync_directory(tmp_path)


def test_a_write_that_is_interrupted_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "owner"
    path.write_text("old")

    def interrupt(_: int) -> None:
        raise StoppedError("SIGTERM")

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(StoppedError):
        atomic.write_file(path, "new", "t0")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
