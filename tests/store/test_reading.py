import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.store.manifest import MANIFEST
from emtnas_hpc.store.paths import RunPaths, StagePaths
from emtnas_hpc.store.reading import read_newest
from emtnas_hpc.store.run_store import RunStore

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


def test_a_file_that_cannot_be_read_is_passed_over(commits: RunStore, stage: StagePaths) -> None:
    (stage.commit(3) / MANIFEST).unlink()
    (stage.commit(3) / MANIFEST).symlink_to(MANIFEST)
    assert _read(stage) == "state 2"


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
