"""Commits copied out of reach of their run, whose owner may delete them at any moment.

What nobody owns is read where it is: a copy takes room that there may not be.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.checkpoint.manifest import find_all_damage
from emtnas_hpc.checkpoint.os_errors import is_there, names_in, storage_error, storage_errors
from emtnas_hpc.checkpoint.paths import RunPaths, StagePaths
from emtnas_hpc.errors import DamagedError, InputError, StorageError

T = TypeVar("T")


@dataclass(frozen=True)
class CommitCopy:
    """A commit that nobody deletes, verified.

    Attributes:
        step: that the state is after.
        directory: of the copy; of the commit itself where nobody owns the run.
    """

    step: int
    directory: Path


@contextmanager
def folder_for_copies() -> Iterator[Path]:
    """A folder for temporary files, deleted at the end.

    Raises:
        InputError: TMPDIR, or where temporary files go without it, cannot be used.
    """
    asked = os.environ.get("TMPDIR") or None
    try:
        # Where TMPDIR cannot be used, tempfile by itself would quietly take another one.
        folder = tempfile.TemporaryDirectory(prefix="emtnas-", dir=asked)
    except OSError as error:
        where = f"TMPDIR is {asked!r}, which" if asked else "the folder for temporary files"
        raise InputError(
            f"{where} cannot be used ({error.strerror}); set TMPDIR to a folder with room for two "
            "commits"
        ) from None
    with folder as name:
        yield Path(name)


@contextmanager
def written_there(folder: Path, like: Path) -> Iterator[None]:
    """Says of what is written into that folder how much room it takes: as much as a commit.

    Raises:
        StorageError: there is no room.
    """
    with storage_errors(like, "read"):
        n_bytes = sum(path.stat().st_size for path in like.rglob("*"))
    advice = (
        f"it takes {n_bytes / 1e6:.1f} MB there: make room, or set TMPDIR to a folder that has it"
    )
    with storage_errors(folder, "write", advice):
        yield


def copy_last_two(
    stage: StagePaths, folder: Path, *, owned: bool = True
) -> tuple[CommitCopy | None, CommitCopy]:
    """Copies the last commit but one, if there is one, and the newest.

    Args:
        stage: where they are.
        folder: for the copies.
        owned: whether somebody may delete them meanwhile; else nothing is copied.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: one of them is damaged.
        StorageError: one of them cannot be read, or there is no room for the copies.
    """

    def copy() -> tuple[CommitCopy | None, CommitCopy]:
        *earlier, newest = stage.steps() or _refuse_empty(stage)
        # First: whether a damaged one before it matters depends on it.
        last = _copy(stage, newest, folder / "newest" if owned else None)
        before = folder / "before" if owned else None
        return _copy(stage, earlier[-1], before) if earlier else None, last

    return _until_nothing_vanishes(copy)


def copy_newest_common(
    a: StagePaths, b: StagePaths, folder: Path, *, owned: tuple[bool, bool] = (True, True)
) -> tuple[CommitCopy, CommitCopy]:
    """Copies the newest commits of one step that two runs have; arguments as of `copy_last_two`.

    Raises:
        InputError: there is no such step.
        DamagedError: one of them is damaged.
        StorageError: one of them cannot be read, or there is no room for the copies.
    """

    def copy() -> tuple[CommitCopy, CommitCopy]:
        common = set(a.steps()) & set(b.steps())
        if not common:
            found = f"{a.steps()} and {b.steps()}"
            raise InputError(f"the runs have no generation in common, found commits {found}")
        return (
            _copy(a, max(common), folder / "a" if owned[0] else None),
            _copy(b, max(common), folder / "b" if owned[1] else None),
        )

    return _until_nothing_vanishes(copy)


def is_owned(run: RunPaths) -> bool:
    """Whether somebody may delete commits of a run; one that cannot be told may be."""
    try:
        return is_there(run.owner)
    except StorageError:
        return True


class _Vanished(Exception):
    """A commit went away while it was copied."""


def _until_nothing_vanishes(copy: Callable[[], T]) -> T:
    """Begins again whenever an owner deleted what was copied, which it does for newer ones only."""
    while True:
        try:
            return copy()
        except _Vanished:
            continue


def _copy(stage: StagePaths, step: int, target: Path | None) -> CommitCopy:
    commit = stage.commit(step)
    try:
        if target is not None:
            shutil.rmtree(target, ignore_errors=True)
            _copy_files(commit, target)
        names_in(target or commit)
        damage = find_all_damage(target or commit)
    except StorageError:
        if step in stage.steps():
            raise
        raise _Vanished from None
    if step not in stage.steps():
        raise _Vanished
    if damage:
        raise DamagedError(f"{commit} is damaged: {damage[0]}; {_what_mends(stage, step)}")
    return CommitCopy(step, target or commit)


def _copy_files(commit: Path, target: Path) -> None:
    def copy(source: str, copied: str) -> None:
        # Ours is no OSError: copytree would collect those as text.
        try:
            file = Path(source).open("rb")  # noqa: SIM115 - only its own refusal is about the run
        except OSError as error:
            raise storage_error(Path(source), error, "read") from error
        with file, written_there(target, commit), Path(copied).open("wb") as into:
            shutil.copyfileobj(file, into)

    with storage_errors(commit, "read"):
        shutil.copytree(commit, target, copy_function=copy)


def _what_mends(stage: StagePaths, step: int) -> str:
    later = [other for other in stage.steps() if other > step]
    if later:
        return "a search goes on without it, but only a backup brings back what is compared here"
    earlier = [stage.commit(other) for other in stage.steps() if other < step]
    if any(not find_all_damage(commit) for commit in earlier):
        return "the `run` command that made it sets it aside and goes on from the one before"
    return f"restore it from a backup, or move {stage.directory} away to begin anew"


def _refuse_empty(stage: StagePaths) -> list[int]:
    raise InputError(f"{stage.directory}: nothing has been committed yet")
