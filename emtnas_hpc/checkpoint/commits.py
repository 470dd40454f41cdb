"""The commits of one stage: whole directories that appear by one rename, or not at all."""

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.checkpoint.atomic import make_directory, sync_directory, sync_file, write_synced
from emtnas_hpc.checkpoint.manifest import (
    MANIFEST,
    Damage,
    Manifest,
    Summary,
    find_damage,
    find_missing,
    read_manifest,
    record_of,
    short,
)
from emtnas_hpc.checkpoint.os_errors import is_folder, storage_error, storage_errors
from emtnas_hpc.checkpoint.ownership import Lease
from emtnas_hpc.checkpoint.paths import AsideReason, RunPaths, StagePaths, find_temporaries
from emtnas_hpc.errors import DamagedError, InputError, StorageError, shown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Commit:
    """The state of a stage after a step, as it lies on the disk."""

    step: int
    directory: Path
    manifest: Manifest


class RunStore:
    """Reads and writes the commits of one stage, for the process that owns the run.

    Args:
        paths: of the run.
        stage: name of the stage, and of its directory within the run.
        signature: what the stage's result depends on; commits of another one are refused.
        lease: re-read before every rename and deletion.
        keep: how many commits `prune` leaves.
    """

    def __init__(
        self, paths: RunPaths, stage: str, *, signature: str, lease: Lease, keep: int = 2
    ) -> None:
        self._paths = paths.stage(stage)
        self._stage = stage
        self._signature = signature
        self._lease = lease
        self._keep = keep

    def newest(self, on_damage: Callable[[str], None] = log.warning) -> Commit | None:
        """The newest commit of which every file is good; None if there are no commits.

        Damaged commits newer than it are set aside by a rename; `on_damage` gets a line for each.

        Raises:
            DamagedError: there are commits and all are damaged; nothing has been touched.
            InputError: they were made with other settings or data.
            SupersededError: the run is not ours any more.
            StorageError: the disk refused.
        """
        damaged: dict[int, list[Damage]] = {}
        for step in reversed(self._paths.steps()):
            commit = self._examine(step)
            if isinstance(commit, Commit):
                for bad, damage in damaged.items():
                    on_damage(self._set_damaged_aside(bad, damage, commit))
                return commit
            damaged[step] = commit
        if damaged:
            each = "; ".join(f"{step:06d}: {_listed(found)}" for step, found in damaged.items())
            raise DamagedError(
                f"every commit in {shown(self._paths.directory)} is damaged ({each}); "
                "restore one from a backup, or move the directory away to begin anew"
            )
        return None

    def commit(
        self, step: int, write: Callable[[Path], None], summary: Summary | None = None
    ) -> Commit:
        """Commits the state after `step`, durably.

        Args:
            step: number of steps that the state has behind it.
            write: writes the files of the state into the directory that it is given; where the disk
                refuses, it raises OSError.
            summary: of the state, for the manifest.

        Raises:
            SupersededError: the run is not ours any more; nothing has been changed.
            StorageError: the disk refused; earlier commits are intact.
        """
        self._lease.check()
        target = self._paths.commit(step)
        temporary = self._paths.temporary(step, self._lease.token)
        make_directory(self._paths.directory)
        try:
            temporary.mkdir()
            write(temporary)
            manifest = self._seal(temporary, step, summary)
            # Asked again: writing may have taken minutes.
            self._lease.check()
            self._publish(temporary, step, manifest)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            # A new owner may have deleted the directory: that is no fault of the disk.
            self._lease.check()
            raise storage_error(target, error, intact=bool(self._paths.steps())) from error
        return Commit(step, target, manifest)

    def prune(self, newest: int) -> None:
        """Deletes all but the last `keep` commits up to step `newest`, which must be durable.

        Later ones, which a superseded process may have left, and names that are not a commit's are
        left alone.

        Raises:
            SupersededError: the run is not ours any more; nothing more is deleted.
            StorageError: the disk refused.
        """
        ours = [step for step in self._paths.steps() if step <= newest]
        for step in ours[: -self._keep]:
            self._lease.check()
            outgoing = self._paths.outgoing(step, self._lease.token)
            # Renamed first: no reader, and no resume after a kill, finds half a commit.
            with storage_errors(self._paths.commit(step), "delete"):
                self._paths.commit(step).rename(outgoing)
            shutil.rmtree(outgoing, ignore_errors=True)

    def _examine(self, step: int) -> Commit | list[Damage]:
        directory = self._paths.commit(step)
        if not is_folder(directory):
            return [Damage(MANIFEST, "a manifest", "a file in place of the commit")]
        manifest = read_manifest(directory)
        if isinstance(manifest, Damage):
            return [manifest]
        expected, found = f"{self._stage} {step}", f"{manifest.stage} {manifest.step}"
        if expected != found:
            return [Damage(MANIFEST, expected, found)]
        if manifest.signature != self._signature:
            raise InputError(
                f"{shown(directory)} was made with other settings or data: signature "
                f"{short(manifest.signature)}, expected {short(self._signature)}; choose another "
                "--name"
            )
        damage = find_damage(directory, manifest, manifest.files)
        return damage or Commit(step, directory, manifest)

    def _set_damaged_aside(self, step: int, damage: list[Damage], instead: Commit) -> str:
        self._lease.check()
        with storage_errors(self._paths.commit(step), "set aside"):
            aside = self._set_aside(step, "damaged")
        return (
            f"{shown(self._paths.commit(step))} is damaged ({_listed(damage)}): "
            f"kept as {aside.name}, going on from {instead.directory.name}"
        )

    def _seal(self, temporary: Path, step: int, summary: Summary | None) -> Manifest:
        """Makes the files of a commit durable, and writes the manifest last."""
        files = {}
        for folder, _, names in os.walk(temporary, topdown=False):
            for path in (Path(folder, name) for name in sorted(names)):
                files[path.relative_to(temporary).as_posix()] = record_of(path)
                sync_file(path)
            sync_directory(Path(folder))
        manifest = Manifest(self._stage, step, self._signature, files)
        if summary is not None:
            manifest = replace(manifest, summary=replace(summary, n_bytes=manifest.n_bytes))
        write_synced(temporary / MANIFEST, manifest.to_text().encode())
        sync_directory(temporary)
        return manifest

    def _publish(self, temporary: Path, step: int, manifest: Manifest) -> None:
        while not self._renamed(temporary, self._paths.commit(step), manifest):
            self._lease.check()
            self._set_aside(step, "stranger")
        sync_directory(self._paths.directory)

    def _renamed(self, temporary: Path, target: Path, manifest: Manifest) -> bool:
        """Renames a commit into place; False if something of a superseded process is in the way."""
        try:
            temporary.rename(target)
        except OSError:
            # NFS repeats a request whose answer was lost, and reports the repetition's failure.
            if not temporary.exists() and read_manifest(target) == manifest:
                return True
            if os.path.lexists(target):
                return False
            raise
        return True

    def _set_aside(self, step: int, reason: AsideReason) -> Path:
        aside = self._paths.aside(step, reason)
        self._paths.commit(step).rename(aside)
        sync_directory(self._paths.directory)
        return aside


def _listed(damage: list[Damage]) -> str:
    return ", ".join(str(each) for each in damage)


# Reading without the lease: report, status, inspect. They rename and delete nothing. The owner may
# delete any commit at any moment, so a reader that loses one takes the next newest.

T = TypeVar("T")

#: Finds the damage of one file of a commit.
FindDamage = Callable[[Path, Manifest, str], list[Damage]]


def read_newest(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """Reads one file from the newest commit that has it good; None if none has.

    The other files of the commit may be damaged.

    Args:
        stage: where the commits are.
        file: its name within a commit.
        read: opens the path that it is given; FileNotFoundError means the commit is gone.

    Raises:
        StorageError: a commit that is there cannot be read; an older one would be no answer.
    """
    for commit in _readable(stage, file, _find_damage):
        path = commit.directory / file
        try:
            return read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            _unless_gone(stage, commit.step, storage_error(path, error, "read"))
    return None


def read_committed(stage: StagePaths, file: str, read: Callable[[Path], T]) -> T | None:
    """As `read_newest`, but None means that nothing has been committed yet.

    Raises:
        DamagedError: there are commits, and none has the file good.
        StorageError: as of `read_newest`.
    """
    return _or_damaged(stage, file, lambda: read_newest(stage, file, read))


def newest_commit(stage: StagePaths) -> Commit | None:
    """The newest commit that has its record in full size; only manifests are read.

    None means only that nothing has been committed yet. Errors as of `read_committed`.
    """
    file = stage.record
    return _or_damaged(stage, file, lambda: next(_readable(stage, file, find_missing), None))


def _or_damaged(stage: StagePaths, file: str, find: Callable[[], T | None]) -> T | None:
    found = find()
    if found is not None or not (steps := stage.steps()):
        return found
    newest = stage.commit(steps[-1])
    manifest = read_manifest(newest)
    damage = [manifest] if isinstance(manifest, Damage) else _find_damage(newest, manifest, file)
    if not damage:
        # The first commit was made meanwhile.
        return find()
    raise DamagedError(
        f"no commit has a good {file}; the newest, {shown(newest)}: {'; '.join(map(str, damage))}; "
        f"restore a commit from a backup, or move {shown(stage.directory)} away to begin anew"
    )


def _find_damage(directory: Path, manifest: Manifest, file: str) -> list[Damage]:
    return find_damage(directory, manifest, [file])


def _readable(stage: StagePaths, file: str, find: FindDamage) -> Iterator[Commit]:
    """The commits with a good file, newest first; those that are made meanwhile follow."""
    seen: set[int] = set()
    while new := [step for step in stage.steps() if step not in seen]:
        seen.update(new)
        for step in reversed(new):
            directory = stage.commit(step)
            try:
                manifest = read_manifest(directory)
                if isinstance(manifest, Damage) or find(directory, manifest, file):
                    continue
            except StorageError as error:
                _unless_gone(stage, step, error)
                continue
            yield Commit(step, directory, manifest)


def _unless_gone(stage: StagePaths, step: int, error: StorageError) -> None:
    """Lets an error pass if the owner has deleted the commit meanwhile."""
    if step in stage.steps():
        raise error


def remove_stale(paths: RunPaths, lease: Lease, superseded: Collection[str]) -> None:
    """Deletes the temporary files and directories of superseded attempts, and of no others.

    Files that cannot be deleted are left for the next owner.

    `superseded` are the tokens of those attempts, read while the new owner owned the run.

    Raises:
        SupersededError: the run is not ours any more.
    """
    for directory in (paths.directory, *(stage.directory for stage in paths.stages())):
        for token, path in find_temporaries(directory):
            if token not in superseded:
                continue
            lease.check()
            # Renamed first: if its process lives after all, it cannot publish half a commit.
            doomed = path.with_name(f".old-{path.name.lstrip('.')}-{lease.token}")
            with suppress(OSError):
                path.rename(doomed)
                if doomed.is_dir():
                    shutil.rmtree(doomed, ignore_errors=True)
                else:
                    doomed.unlink()
