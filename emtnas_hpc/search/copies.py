"""Commits copied out of reach of their run, whose owner may delete them at any moment."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.store.manifest import find_all_damage
from emtnas_hpc.store.paths import StagePaths

T = TypeVar("T")


@dataclass(frozen=True)
class CommitCopy:
    """A copy of a commit, verified.

    Attributes:
        step: that the state is after.
        directory: of the copy.
    """

    step: int
    directory: Path


def copy_last_two(stage: StagePaths, folder: Path) -> tuple[CommitCopy | None, CommitCopy]:
    """Copies the last commit but one, if there is one, and the newest.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: one of them is damaged.
    """

    def copy() -> tuple[CommitCopy | None, CommitCopy]:
        *earlier, newest = stage.steps() or _refuse_empty(stage)
        # First: whether a damaged one before it matters depends on it.
        last = _copy(stage, newest, folder / "newest")
        return _copy(stage, earlier[-1], folder / "before") if earlier else None, last

    return _until_nothing_vanishes(copy)


def copy_newest_common(a: StagePaths, b: StagePaths, folder: Path) -> tuple[CommitCopy, CommitCopy]:
    """Copies the newest commits of one step that two runs have.

    Raises:
        InputError: there is no such step.
        DamagedError: one of them is damaged.
    """

    def copy() -> tuple[CommitCopy, CommitCopy]:
        common = set(a.steps()) & set(b.steps())
        if not common:
            found = f"{a.steps()} and {b.steps()}"
            raise InputError(f"the runs have no generation in common, found commits {found}")
        return _copy(a, max(common), folder / "a"), _copy(b, max(common), folder / "b")

    return _until_nothing_vanishes(copy)


class _Vanished(Exception):
    """A commit went away while it was copied."""


def _until_nothing_vanishes(copy: Callable[[], T]) -> T:
    """Begins again whenever an owner deleted what was copied, which it does for newer ones only."""
    while True:
        try:
            return copy()
        except _Vanished:
            continue


def _copy(stage: StagePaths, step: int, target: Path) -> CommitCopy:
    commit = stage.commit(step)
    shutil.rmtree(target, ignore_errors=True)
    try:
        shutil.copytree(commit, target)
    except (FileNotFoundError, shutil.Error):
        if commit.exists():
            raise
    if not commit.exists():
        raise _Vanished
    damage = find_all_damage(target)
    if damage:
        raise DamagedError(f"{commit} is damaged: {damage[0]}; {_what_mends(stage, step)}")
    return CommitCopy(step, target)


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
