import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.commits import RunStore, newest_commit, read_committed, read_newest
from emtnas_hpc.checkpoint.manifest import MANIFEST, Damage, Manifest, Summary, read_manifest
from emtnas_hpc.checkpoint.paths import RunPaths, StagePaths
from emtnas_hpc.errors import DamagedError, StorageError, shown

Write = Callable[[int], Callable[[Path], None]]


@pytest.fixture
def stage(paths: RunPaths) -> StagePaths:
    return paths.stage("search")


def _read(stage: StagePaths) -> str | None:
    return read_newest(stage, "state.txt", Path.read_text)


def test_the_newest_commit_is_read(commits: RunStore, stage: StagePaths) -> None:
    assert _read(stage) == "state 3"


def test_nothing_is_found_where_nothing_is(stage: StagePaths) -> None:
    assert _read(stage) is None


def test_weights_may_be_absent(commits: RunStore, stage: StagePaths) -> None:
    shutil.rmtree(stage.commit(3) / "weights")
    assert _read(stage) == "state 3"


@pytest.mark.parametrize("file", ["state.txt", MANIFEST])
def test_a_damaged_commit_is_passed_over_and_left_where_it_is(
    commits: RunStore, stage: StagePaths, file: str
) -> None:
    (stage.commit(3) / file).write_text("rubbish")
    assert _read(stage) == "state 2"
    assert stage.commit(3).exists()


@pytest.mark.parametrize("file", ["state.txt", MANIFEST])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (MANIFEST, "Too many levels of symbolic links; a link leads back to itself"),
        ("/gone", "No such file or directory; .* is a link to /gone, which is not there"),
        (".", "Is a directory; a folder is where a file is expected"),
    ],
)
def test_a_newest_commit_that_cannot_be_read_is_no_reason_to_take_an_older_one(
    commits: RunStore, stage: StagePaths, file: str, target: str, reason: str
) -> None:
    (stage.commit(3) / file).unlink()
    (stage.commit(3) / file).symlink_to(file if target == MANIFEST else target)
    with pytest.raises(StorageError, match=rf"cannot read '.*{file}': {reason}"):
        _read(stage)


def test_a_reader_that_loses_a_commit_takes_the_next(commits: RunStore, stage: StagePaths) -> None:
    def read(path: Path) -> str:
        if path.parent == stage.commit(3):
            shutil.rmtree(stage.commit(3))
        return path.read_text()

    assert read_newest(stage, "state.txt", read) == "state 2"


def test_a_reader_that_loses_all_commits_finds_those_that_came_meanwhile(
    commits: RunStore, stage: StagePaths, write_number: Write
) -> None:
    def read(path: Path) -> str:
        if path.parent == stage.commit(3):
            for step in (4, 5):
                commits.commit(step, write_number(step))
                commits.prune(step)
        return path.read_text()

    assert read_newest(stage, "state.txt", read) == "state 5"


def test_before_the_first_commit_there_is_nothing_to_be_damaged(stage: StagePaths) -> None:
    assert read_committed(stage, "state.txt", Path.read_text) is None


@pytest.mark.parametrize(
    ("file", "found"), [("state.txt", "found 7 bytes"), (MANIFEST, "found 7 bytes of something")]
)
def test_where_none_is_good_the_newest_is_named_with_what_is_wrong(
    commits: RunStore, stage: StagePaths, file: str, found: str
) -> None:
    for step in stage.steps():
        (stage.commit(step) / file).write_text("rubbish")
    with pytest.raises(DamagedError) as refused:
        read_committed(stage, "state.txt", Path.read_text)
    line = str(refused.value)
    assert line.startswith(
        f"no commit has a good state.txt; the newest, {shown(stage.commit(3))}: {file}: "
    )
    assert found in line
    assert f"move {shown(stage.directory)} away to begin anew" in line


def test_commits_that_come_while_one_looks_are_read_and_not_called_damaged(
    commits: RunStore, stage: StagePaths
) -> None:
    missed = [FileNotFoundError(step) for step in stage.steps()]

    def read(path: Path) -> str:
        if missed:
            raise missed.pop()
        return path.read_text()

    assert read_committed(stage, "state.txt", read) == "state 3"


def test_a_newest_commit_that_refuses_to_be_read_is_no_reason_to_show_an_older_one(
    commits: RunStore, stage: StagePaths
) -> None:
    def refuse(path: Path) -> str:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with pytest.raises(StorageError, match=r"000003/state\.txt.*: Input/output error"):
        read_newest(stage, "state.txt", refuse)


def test_a_commit_that_is_deleted_while_it_refuses_is_passed_over(
    commits: RunStore, stage: StagePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_newest(directory: Path) -> Manifest | Damage:
        if directory == stage.commit(3):
            shutil.rmtree(directory)
            raise StorageError("Stale file handle")
        return read_manifest(directory)

    monkeypatch.setattr("emtnas_hpc.checkpoint.commits.read_manifest", lose_the_newest)
    assert _read(stage) == "state 2"


def _write(stage: StagePaths, n_bytes: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / stage.record).write_bytes(bytes(n_bytes))

    return write


def test_the_newest_commit_is_told_by_its_manifest_and_the_size_of_its_record(
    store: RunStore, stage: StagePaths
) -> None:
    summary = Summary(1, 1, 2.5, {}, "e")
    store.commit(1, _write(stage, 7), summary)
    store.commit(2, _write(stage, 2), summary)
    (stage.commit(2) / stage.record).write_bytes(b"1")
    commit = newest_commit(stage)
    assert commit is not None
    assert commit.step == 1
    assert commit.manifest.summary is not None
    assert commit.manifest.summary.finished
    assert commit.manifest.summary.n_bytes == 7
