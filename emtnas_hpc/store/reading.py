"""Commits for those who own nothing: report, status, inspect. They rename and delete nothing.

The owner may delete any commit at any moment, so a reader that loses one takes the next newest.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DamagedError, StorageError
from emtnas_hpc.store.manifest import Damage, find_damage, read_manifest
from emtnas_hpc.store.paths import StagePaths
from emtnas_hpc.store.refusals import shown, storage_error
from emtnas_hpc.store.run_store import Commit

T = TypeVar("T")


def read_newest(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """Reads ONE file from the newest commit that still has it good; None if none has.

    What became of the commit's other files does not matter.

    Args:
        stage: where the commits are.
        file: its name within a commit.
        read: opens the path that it is given; FileNotFoundError means the commit is gone.

    Raises:
        StorageError: a commit that is there cannot be read; an older one would be no answer.
    """
    for commit in _readable(stage, file):
        path = commit.directory / file
        try:
            return read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            _unless_gone(stage, commit.step, storage_error(path, error, "read"))
    return None


def read_committed(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """The same, but None means only that nothing has been committed yet.

    Raises:
        DamagedError: there are commits, and none has the file good; it tells of the newest.
        StorageError: as of `read_newest`.
    """
    content = read_newest(stage, file, read)
    if content is not None or not (steps := stage.steps()):
        return content
    newest = stage.commit(steps[-1])
    if not (why := _why_not(newest, file)):
        # The first one came while we looked.
        return read_newest(stage, file, read)
    raise DamagedError(
        f"no commit has a good {file}; the newest, {shown(newest)}: {why}; "
        f"restore a commit from a backup, or move {shown(stage.directory)} away to begin anew"
    )


def _why_not(directory: Path, file: str) -> str:
    """What is wrong with a file of a commit; empty if nothing is."""
    manifest = read_manifest(directory)
    if isinstance(manifest, Damage):
        return str(manifest)
    return "; ".join(map(str, find_damage(directory, manifest, [file])))


def _readable(stage: StagePaths, file: str) -> Iterator[Commit]:
    """Newest first; when the owner has committed meanwhile, the new ones follow."""
    seen: set[int] = set()
    while new := [step for step in stage.steps() if step not in seen]:
        seen.update(new)
        for step in reversed(new):
            try:
                commit = _commit_with(stage.commit(step), step, file)
            except StorageError as error:
                _unless_gone(stage, step, error)
                continue
            if commit:
                yield commit


def _unless_gone(stage: StagePaths, step: int, error: StorageError) -> None:
    """Lets an error pass if the owner has deleted the commit under its reader meanwhile."""
    if step in stage.steps():
        raise error


def _commit_with(directory: Path, step: int, file: str) -> Commit | None:
    manifest = read_manifest(directory)
    if isinstance(manifest, Damage) or find_damage(directory, manifest, [file]):
        return None
    return Commit(step, directory, manifest)
