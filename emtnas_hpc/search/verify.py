"""Repeats the newest part of a search, or compares two runs, on copies of their commits.

The owner of a run may delete a commit at any moment, so commits are copied first. A run without an
owner is read where it is: the copies take room on the disk.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.checkpoint.manifest import MANIFEST, find_all_damage
from emtnas_hpc.checkpoint.os_errors import is_there, names_in, storage_error, storage_errors
from emtnas_hpc.checkpoint.paths import HISTORY, SEARCH, RunPaths, StagePaths
from emtnas_hpc.errors import DamagedError, InputError, StorageError
from emtnas_hpc.runner.attempts import changes_since, read_attempts
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.history_file import history_differences
from emtnas_hpc.search.run_dir import plan_search, refuse_other_settings
from emtnas_hpc.search.session import prepare_device
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.names import StoredExperiment, read_stored

log = logging.getLogger(__name__)

T = TypeVar("T")

_TAKEN_UP = "another process has continued the run meanwhile: verify it again"


@dataclass(frozen=True)
class CommitComparison:
    """The step that was compared, and the first difference by name; None if there is none."""

    step: int
    difference: str | None


@dataclass(frozen=True)
class CommitCopy:
    """A verified commit that no process deletes: a copy, or that of a run without an owner."""

    step: int
    directory: Path


def search_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the files, data sets and tensors that differ in the commits of two searches.

    Wall-clock readings may differ.
    """
    from emtnas_hpc.supernet.weights import weights_differences  # imports torch

    files_a, files_b = ({path.name for path in commit.iterdir()} - {MANIFEST} for commit in (a, b))
    for name in sorted(files_a ^ files_b):
        yield f"{name} is in one of them only"
    yield from history_differences(a / HISTORY, b / HISTORY)
    for name in sorted((files_a & files_b) - {HISTORY}):
        yield from weights_differences(a / name, b / name)


def compare_newest(
    a: RunPaths,
    b: RunPaths,
    stage: str = SEARCH,
    differences: Callable[[Path, Path], Iterator[str]] = search_differences,
) -> CommitComparison:
    """Compares the newest step of a stage that two runs have both committed.

    `differences` names what differs between the directories of two commits of the stage.

    Raises:
        InputError: there is no such step.
        DamagedError: one of the two commits is damaged.
    """
    with folder_for_copies() as folder:
        owned = (is_owned(a), is_owned(b))
        copies = copy_newest_common(a.stage(stage), b.stage(stage), folder, owned=owned)
        # `differences` imports torch.
        prepare_environment()
        difference = next(differences(*(copy.directory for copy in copies)), None)
        return CommitComparison(copies[0].step, difference)


def repeat_newest(paths: RunPaths, data_dir: Path, device: str) -> CommitComparison:
    """Repeats the generations from the last commit but one to the newest; the run stays untouched.

    A run with a single commit is repeated from its beginning.

    Raises:
        InputError: nothing is committed, or data or device are not there.
        DamagedError: one of the two commits is damaged.
    """
    stored = read_stored(paths) or _refuse_nameless(paths)
    plan = plan_search(RunSpec(stored.experiment, stored.seed, paths, data_dir, device=device))
    refuse_other_settings(paths, plan)
    with folder_for_copies() as folder:
        before, newest = copy_last_two(paths.search, folder, owned=is_owned(paths))
        chosen, conditions = prepare_device(device, stored.experiment)
        conditions["evaluation_chunks"] = plan.evaluation_chunks(chosen)
        for change in changes_since(read_attempts(paths), conditions):
            log.info(f"here is {change}: equal bits are not promised")

        stage = plan.stage(chosen, lambda _phase, _task: None)
        first = before.step if before else 0
        log.info(f"repeating generations {first + 1} to {newest.step}")
        with storage_errors(paths.search.directory, "read", _TAKEN_UP):
            state = stage.load(before.directory) if before else stage.start()
        for _step in range(first, newest.step):
            state = stage.advance(state, lambda: False)
        repetition = folder / "repetition"
        with storage_errors(paths.search.directory, "read", _TAKEN_UP):
            with _room_for(folder, newest.directory):
                repetition.mkdir()
                stage.save(state, repetition)
            difference = next(search_differences(newest.directory, repetition), None)
    return CommitComparison(newest.step, difference)


def _refuse_nameless(paths: RunPaths) -> StoredExperiment:
    if paths.search.steps():
        raise InputError(
            f"{paths.experiment} is missing; the `run` command that made the run writes it anew"
        )
    raise InputError(f"{paths.directory}: nothing has been committed yet")


def is_owned(run: RunPaths) -> bool:
    """Whether a process may delete commits of a run; if that cannot be told, it may."""
    try:
        return is_there(run.owner)
    except StorageError:
        return True


@contextmanager
def folder_for_copies() -> Iterator[Path]:
    """A folder for temporary files, deleted at the end.

    Raises:
        InputError: TMPDIR, or the folder that is used without it, cannot be used.
    """
    asked = os.environ.get("TMPDIR") or None
    try:
        # Without `dir`, tempfile passes over a TMPDIR that cannot be used and says nothing.
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
def _room_for(folder: Path, commit: Path) -> Iterator[None]:
    """Adds to a refusal of what is written into a folder how much room a copy of a commit takes.

    Raises:
        StorageError: there is no room.
    """
    with storage_errors(commit, "read"):
        n_bytes = sum(path.stat().st_size for path in commit.rglob("*"))
    advice = (
        f"it takes {n_bytes / 1e6:.1f} MB there: make room, or set TMPDIR to a folder that has it"
    )
    with storage_errors(folder, "write", advice):
        yield


def copy_last_two(
    stage: StagePaths, folder: Path, *, owned: bool = True
) -> tuple[CommitCopy | None, CommitCopy]:
    """Copies the last commit but one, if there is one, and the newest.

    Nothing is copied, only verified, if the run is not `owned`: no process deletes its commits.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: one of them is damaged.
        StorageError: one of them cannot be read, or there is no room for the copies.
    """

    def copy() -> tuple[CommitCopy | None, CommitCopy]:
        steps = stage.steps()
        if not steps:
            raise InputError(f"{stage.directory}: nothing has been committed yet")
        # The newest first: it tells whether a damaged one before it matters.
        last = _copy(stage, steps[-1], folder / "newest" if owned else None)
        before = folder / "before" if owned else None
        return _copy(stage, steps[-2], before) if steps[1:] else None, last

    return _repeat_while_commits_vanish(copy)


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

    return _repeat_while_commits_vanish(copy)


class _Vanished(Exception):
    """A commit went away while it was copied."""


def _repeat_while_commits_vanish(copy: Callable[[], T]) -> T:
    """An owner deletes a commit only after it has made newer ones, so this comes to an end."""
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
        raise DamagedError(f"{commit} is damaged: {damage[0]}; {_remedy(stage, step)}")
    return CommitCopy(step, target or commit)


def _copy_files(commit: Path, target: Path) -> None:
    def copy(source: str, copied: str) -> None:
        # A StorageError is no OSError: copytree would collect those as text.
        try:
            file = Path(source).open("rb")  # noqa: SIM115 - only its own refusal is about the run
        except OSError as error:
            raise storage_error(Path(source), error, "read") from error
        with file, _room_for(target, commit), Path(copied).open("wb") as into:
            shutil.copyfileobj(file, into)

    with storage_errors(commit, "read"):
        shutil.copytree(commit, target, copy_function=copy)


def _remedy(stage: StagePaths, step: int) -> str:
    if any(other > step for other in stage.steps()):
        return "a search goes on without it, but only a backup brings back what is compared here"
    earlier = (stage.commit(other) for other in stage.steps() if other < step)
    if any(not find_all_damage(commit) for commit in earlier):
        return "the `run` command that made it sets it aside and goes on from the one before"
    return f"restore it from a backup, or move {stage.directory} away to begin anew"
