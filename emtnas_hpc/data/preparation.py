"""Making a data set ready: read its source once, write the canonical arrays, verify them later.

`<data>/<key of the source>/{train,val,test}_{images,labels}.npy` and `manifest.json`. The directory
is built under another name and renamed when it is whole.
"""

import contextlib
import io
import shutil
import uuid
from pathlib import Path

import numpy as np

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.lock import exclusive
from emtnas_hpc.data.manifest import (
    FileRecord,
    Manifest,
    array_files,
    open_folder,
    read_manifest,
    read_verified,
    record,
    write_manifest,
)
from emtnas_hpc.data.prepared import Prepared, open_prepared
from emtnas_hpc.data.raw import Say, Workplace
from emtnas_hpc.data.refusals import storage_errors
from emtnas_hpc.data.sources import Source, fingerprint, parse_source, read_source
from emtnas_hpc.data.splits import complete_splits
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.store.durable import sync_directory, write_synced


def prepare(name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str) -> Prepared:
    """Makes a task's data ready, or verifies every file of what is there.

    A data set that is damaged, or whose source the user has changed, is made anew.

    Args:
        name: of the task.
        task: its settings.
        data_dir: where prepared data sets and downloads are; made if need be.
        say: told in single lines what is done.
        mend: the command that does this, for messages.

    Raises:
        DataError: the source is missing, damaged or cannot be downloaded.
        StorageError: no room.
    """
    source = parse_source(task, f"task.{name}.source")
    folder = data_dir / source.key
    if _fault(folder, source) is not None:
        with storage_errors(data_dir):
            data_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(data_dir / f".{source.key}.lock", say) as alone:
            if alone:
                _remove_leftovers(data_dir, source)
            fault = _fault(folder, source)
            if fault is not None:
                say(f"{name}: preparing {source.text}: {fault}")
                _build(source, data_dir, say)
    prepared = open_prepared(name, task, data_dir, mend=mend)
    say(f"{name}: {_summary(prepared)}")
    return prepared


def open_task(name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str) -> Prepared:
    """Opens a task's data for a search; what lies on this machine is prepared first if need be.

    Never downloads, and never opens the test set of what is already prepared. Arguments and errors
    are those of `prepare`.
    """
    source = parse_source(task, f"task.{name}.source")
    if source.needs_download or _is_current(data_dir / source.key, source):
        return open_prepared(name, task, data_dir, mend=mend)
    return prepare(name, task, data_dir, say=say, mend=mend)


def _is_current(folder: Path, source: Source) -> bool:
    try:
        return not _is_outdated(open_folder(folder), source)
    except DataError:
        return False


def _is_outdated(manifest: Manifest, source: Source) -> bool:
    """A source that is gone cannot have changed: its prepared copy still serves."""
    return fingerprint(source) not in (None, manifest.fingerprint)


def _fault(folder: Path, source: Source) -> str | None:
    """Why a directory has to be made (anew), or None if every file of it is good."""
    if not folder.exists():
        return f"{folder} is not there yet"
    try:
        manifest = read_manifest(folder)
        if _is_outdated(manifest, source):
            return f"{source.argument} has changed"
        for file in manifest.files:
            read_verified(folder, manifest, file)
    except DataError as error:
        return str(error)
    return None


def _build(source: Source, data_dir: Path, say: Say) -> None:
    workshop = data_dir / f".{source.key}.{uuid.uuid4().hex}.partial"
    scratch, built = workshop / "scratch", workshop / "built"
    with storage_errors(workshop):
        scratch.mkdir(parents=True)
        built.mkdir()
    try:
        # Before reading: a file that changes meanwhile must look changed the next time.
        made_from = fingerprint(source) or ""
        raw = read_source(source, Workplace(data_dir, scratch, say))
        splits = complete_splits(raw, source.argument)
        with storage_errors(workshop):
            _write(built, source, made_from, splits, raw.classes)
            _publish(built, data_dir / source.key)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _write(
    folder: Path,
    source: Source,
    made_from: str,
    splits: dict[Split, Images],
    classes: tuple[str, ...],
) -> None:
    files: dict[str, FileRecord] = {}
    for split, images in splits.items():
        for name, array in zip(array_files(split), (images.images, images.labels), strict=True):
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array))
            files[name] = record(buffer.getbuffer())
            write_synced(folder / name, buffer.getbuffer())
    train = splits["train"]
    write_manifest(
        folder,
        Manifest(
            source=source.text,
            fingerprint=made_from,
            classes=classes,
            image_channels=train.images.shape[3],
            image_size=train.images.shape[1],
            multi_label=train.multi_label,
            n_images={split: len(images) for split, images in splits.items()},
            files=files,
        ),
    )
    sync_directory(folder)


def _publish(built: Path, folder: Path) -> None:
    """Moves a whole directory to its name, setting aside what is there (it will be removed)."""
    with contextlib.suppress(FileNotFoundError):
        folder.rename(built.with_name("replaced"))
    built.rename(folder)
    sync_directory(folder.parent)


def _remove_leftovers(data_dir: Path, source: Source) -> None:
    """Removes what processes left behind that were killed while they prepared this source."""
    for leftover in data_dir.glob(f".{source.key}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


def _summary(prepared: Prepared) -> str:
    n_images = prepared.manifest.n_images
    size = prepared.manifest.image_size
    return (
        f"{n_images['train']:,} training, {n_images['val']:,} validation and {n_images['test']:,} "
        f"test images of {size}x{size}x{prepared.image_channels}, {prepared.n_classes} classes, "
        f"in {prepared.folder}"
    )
