"""Commits copied out of reach of their run, whose owner may delete them at any moment."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.store.manifest import Damage, find_damage, read_manifest
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
        before = _copy(stage, earlier[-1], folder / "before") if earlier else None
        return before, _copy(stage, newest, folder / "newest")

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
    damage = _damage(target)
    if damage:
        raise DamagedError(f"{commit} is damaged: {damage[0]}")
    return CommitCopy(step, target)


def _damage(directory: Path) -> list[Damage]:
    manifest = read_manifest(directory)
    if isinstance(manifest, Damage):
        return [manifest]
    return find_damage(directory, manifest, manifest.files)


def _refuse_empty(stage: StagePaths) -> list[int]:
    raise InputError(f"{stage.directory}: nothing has been committed yet")
