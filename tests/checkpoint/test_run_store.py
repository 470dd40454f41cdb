import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.manifest import MANIFEST, find_all_damage
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths, StagePaths
from emtnas_hpc.errors import DamagedError, InputError, StorageError, SupersededError

Write = Callable[[int], Callable[[Path], None]]


@pytest.fixture
def stage(paths: RunPaths) -> StagePaths:
    return paths.stage("search")


def _names(stage: StagePaths) -> list[str]:
    return sorted(path.name for path in stage.directory.iterdir())


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": lambda commit: os.truncate(commit / "weights" / "task.bin", 10),
    "bit-flipped": lambda commit: _flip_a_bit(commit / "state.txt"),
    "missing file": lambda commit: (commit / "state.txt").unlink(),
    "missing manifest": lambda commit: (commit / MANIFEST).unlink(),
    "truncated manifest": lambda commit: os.truncate(commit / MANIFEST, 20),
    "empty": lambda commit: (shutil.rmtree(commit), commit.mkdir())[1],
    "a file": lambda commit: (shutil.rmtree(commit), commit.touch())[1],
}
damaged_somehow = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


def test_a_stage_without_commits_has_no_newest(store: RunStore) -> None:
    assert store.newest(pytest.fail) is None


def test_the_newest_commit_is_found_with_all_it_holds(commits: RunStore, stage: StagePaths) -> None:
    newest = commits.newest(pytest.fail)
    assert newest is not None
    assert newest.step == 3
    assert newest.directory == stage.commit(3)
    assert (newest.directory / "state.txt").read_text() == "state 3"
    assert set(newest.manifest.files) == {"state.txt", "weights/task.bin"}
    assert find_all_damage(newest.directory) == []


@damaged_somehow
def test_a_damaged_commit_is_set_aside_and_the_one_before_it_is_used(
    commits: RunStore, stage: StagePaths, damage: Callable[[Path], None]
) -> None:
    damage(stage.commit(3))
    said: list[str] = []
    newest = commits.newest(said.append)
    assert newest is not None
    assert newest.step == 2
    assert _names(stage) == ["000001", "000002", "000003.damaged-1"]
    assert len(said) == 1
    for part in ("000003", "expected", "found", "000003.damaged-1", "going on from 000002"):
        assert part in said[0]
    assert "\n" not in said[0]


def test_the_warning_names_the_file_and_both_digests(commits: RunStore, stage: StagePaths) -> None:
    commit = commits.newest(pytest.fail)
    assert commit is not None
    _flip_a_bit(stage.commit(3) / "state.txt")
    said: list[str] = []
    commits.newest(said.append)
    assert f"state.txt: expected {commit.manifest.files['state.txt']}" in said[0]
    assert "found 7 bytes with SHA-256" in said[0]


def test_several_damaged_commits_are_set_aside_with_a_warning_each(
    commits: RunStore, stage: StagePaths
) -> None:
    for step in (2, 3):
        (stage.commit(step) / MANIFEST).unlink()
    said: list[str] = []
    newest = commits.newest(said.append)
    assert newest is not None
    assert newest.step == 1
    assert len(said) == 2


def test_a_damaged_commit_older_than_the_newest_good_one_is_of_no_concern(
    commits: RunStore, stage: StagePaths
) -> None:
    (stage.commit(1) / MANIFEST).unlink()
    commits.newest(pytest.fail)
    assert _names(stage) == ["000001", "000002", "000003"]


@damaged_somehow
def test_where_all_commits_are_damaged_nothing_is_touched(
    commits: RunStore, stage: StagePaths, damage: Callable[[Path], None]
) -> None:
    for step in (1, 2, 3):
        damage(stage.commit(step))
    with pytest.raises(DamagedError, match=r"every commit .*\(000003: .*; 000001: .*backup"):
        commits.newest(pytest.fail)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_a_commit_of_other_settings_is_refused(
    commits: RunStore, paths: RunPaths, lease: Lease
) -> None:
    other = RunStore(paths, "search", signature="other", lease=lease)
    with pytest.raises(InputError, match="signature 5165, expected other"):
        other.newest(pytest.fail)


def test_a_commit_under_another_steps_name_is_damaged(commits: RunStore, stage: StagePaths) -> None:
    stage.commit(3).rename(stage.commit(9))
    said: list[str] = []
    newest = commits.newest(said.append)
    assert newest is not None
    assert newest.step == 2
    assert "expected search 9, found search 3" in said[0]


def test_a_superseded_process_sets_nothing_aside(
    commits: RunStore, paths: RunPaths, stage: StagePaths
) -> None:
    (stage.commit(3) / MANIFEST).unlink()
    acquire(paths, this_process(), take_over=True)
    with pytest.raises(SupersededError):
        commits.newest(pytest.fail)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_a_commit_that_cannot_be_read_is_no_damaged_commit(
    commits: RunStore, stage: StagePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        commits.newest(pytest.fail)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_the_last_two_commits_are_kept(commits: RunStore, stage: StagePaths) -> None:
    commits.prune(3)
    assert _names(stage) == ["000002", "000003"]


def test_more_are_kept_where_the_settings_say_so(
    commits: RunStore, paths: RunPaths, lease: Lease, stage: StagePaths
) -> None:
    RunStore(paths, "search", signature="5165", lease=lease, keep=3).prune(3)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_pruning_spares_later_commits_and_what_is_no_commit(
    commits: RunStore, stage: StagePaths, write_number: Write
) -> None:
    commits.commit(9, write_number(9))
    (stage.directory / "000001.bak").mkdir()
    (stage.directory / "notes.txt").touch()
    commits.prune(3)
    assert _names(stage) == ["000001.bak", "000002", "000003", "000009", "notes.txt"]


def test_a_superseded_process_prunes_nothing(
    commits: RunStore, paths: RunPaths, stage: StagePaths
) -> None:
    acquire(paths, this_process(), take_over=True)
    with pytest.raises(SupersededError):
        commits.prune(3)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_a_superseded_process_writes_nothing(
    store: RunStore, paths: RunPaths, stage: StagePaths
) -> None:
    acquire(paths, this_process(), take_over=True)
    with pytest.raises(SupersededError):
        store.commit(1, lambda _: pytest.fail("written"))
    assert not stage.directory.exists()


def test_a_process_superseded_while_it_writes_publishes_nothing(
    commits: RunStore, paths: RunPaths, stage: StagePaths
) -> None:
    def write(directory: Path) -> None:
        (directory / "state.txt").write_text("late")
        acquire(paths, this_process(), take_over=True)

    with pytest.raises(SupersededError):
        commits.commit(4, write)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_a_temporary_directory_that_a_new_owner_deleted_means_superseded(
    commits: RunStore, paths: RunPaths
) -> None:
    def write(directory: Path) -> None:
        acquire(paths, this_process(), take_over=True)
        shutil.rmtree(directory)
        (directory / "state.txt").write_text("late")

    with pytest.raises(SupersededError):
        commits.commit(4, write)


def test_a_strangers_commit_in_the_way_is_set_aside(
    commits: RunStore, stage: StagePaths, write_number: Write
) -> None:
    shutil.copytree(stage.commit(2), stage.commit(4))
    commits.commit(4, write_number(4))
    newest = commits.newest(pytest.fail)
    assert newest is not None
    assert (newest.directory / "state.txt").read_text() == "state 4"
    assert "000004.stranger-1" in _names(stage)


def test_a_rename_that_happened_though_it_was_reported_as_failed_counts(
    commits: RunStore, stage: StagePaths, write_number: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def rename_and_complain(source: Path, target: Path) -> None:
        real(source, target)
        raise FileNotFoundError(errno.ENOENT, "no such file")

    monkeypatch.setattr(os, "rename", rename_and_complain)
    commits.commit(4, write_number(4))
    assert _names(stage) == ["000001", "000002", "000003", "000004"]


def test_a_rename_that_failed_is_a_storage_error(
    commits: RunStore, stage: StagePaths, write_number: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StorageError):
        commits.commit(4, write_number(4))
    assert _names(stage) == ["000001", "000002", "000003"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_leaves_the_old_commits_and_no_rubbish(
    commits: RunStore, stage: StagePaths, number: int
) -> None:
    def write(directory: Path) -> None:
        (directory / "state.txt").write_text("some")
        raise OSError(number, "no")

    with pytest.raises(StorageError, match=r"cannot write .*000004'?: .*intact"):
        commits.commit(4, write)
    assert _names(stage) == ["000001", "000002", "000003"]
    assert commits.newest(pytest.fail) is not None


def test_a_mistake_in_a_writer_is_reported_as_it_is(commits: RunStore, stage: StagePaths) -> None:
    def write(directory: Path) -> None:
        raise ValueError("bad shape")

    with pytest.raises(ValueError, match="bad shape"):
        commits.commit(4, write)
    assert _names(stage) == ["000001", "000002", "000003"]


def test_what_a_writer_leaves_open_to_damage_is_synced_before_the_manifest(
    store: RunStore, write_number: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    synced: list[str] = []

    def record(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    store.commit(1, write_number(1))
    order = [name.partition("-")[0] for name in synced]
    manifest = order.index(MANIFEST)
    assert set(order[:manifest]) >= {"task.bin", "weights", "state.txt", ".tmp"}
    assert order[manifest + 1 :] == [".tmp", "search"]
