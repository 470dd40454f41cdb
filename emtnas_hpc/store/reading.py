"""Commits for those who own nothing: report, status, inspect. They rename and delete nothing.

The owner may delete any commit at any moment, so a reader that loses one takes the next newest.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.store.manifest import Damage, find_damage, read_manifest
from emtnas_hpc.store.paths import StagePaths
from emtnas_hpc.store.refusals import shown
from emtnas_hpc.store.run_store import Commit

T = TypeVar("T")


def read_newest(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """Reads ONE file from the newest commit that still has it good; None if none has.

    What became of the commit's other files does not matter.

    Args:
        stage: where the commits are.
        file: its name within a commit.
        read: opens the path that it is given; FileNotFoundError means the commit is gone.
    """
    for commit in _readable(stage, file):
        try:
            return read(commit.directory / file)
        except FileNotFoundError:
            continue
    return None


def read_committed(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """The same, but None means only that nothing has been committed yet.

    Raises:
        DamagedError: there are commits, and none has the file good; it tells of the newest.
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
    try:
        manifest = read_manifest(directory)
        if isinstance(manifest, Damage):
            return str(manifest)
        return "; ".join(map(str, find_damage(directory, manifest, [file])))
    except OSError as error:
        return error.strerror or str(error)


def _readable(stage: StagePaths, file: str) -> Iterator[Commit]:
    """Newest first; when the owner has committed meanwhile, the new ones follow."""
    seen: set[int] = set()
    while new := [step for step in stage.steps() if step not in seen]:
        seen.update(new)
        for step in reversed(new):
            if commit := _commit_with(stage.commit(step), step, file):
                yield commit


def _commit_with(directory: Path, step: int, file: str) -> Commit | None:
    try:
        manifest = read_manifest(directory)
        if isinstance(manifest, Damage) or find_damage(directory, manifest, [file]):
            return None
    except OSError:
        return None
    return Commit(step, directory, manifest)
