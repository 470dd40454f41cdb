"""Making a data set ready: read its source once, write the canonical arrays, verify them later.

`<data>/<key of the source>/{train,val,test}_{images,labels}.npy` and `manifest.json`; of a source
that is streamed, lists of its files instead. The directory is built under another name and renamed
when it is whole.
"""

import contextlib
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.data.doubts import doubts
from emtnas_hpc.data.listing import Listing, list_folder
from emtnas_hpc.data.lock import exclusive
from emtnas_hpc.data.manifest import (
    Contents,
    ListingManifest,
    Manifest,
    open_folder,
    read_manifest,
    read_verified,
)
from emtnas_hpc.data.prepared import Prepared, open_prepared
from emtnas_hpc.data.raw import Say, Workplace
from emtnas_hpc.data.refusals import storage_errors
from emtnas_hpc.data.sources import Source, fingerprint, parse_source, read_source
from emtnas_hpc.data.splits import complete_splits
from emtnas_hpc.data.streamed import check_streamed_settings, open_streamed
from emtnas_hpc.data.task_data import TaskData
from emtnas_hpc.data.writing import check_some, records_of, write_arrays, write_lists
from emtnas_hpc.errors import DataError, shown
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.store.durable import sync_directory

#: Not told from one that is set to it: settings that are stored are all set.
_UNSET_SIZE = TaskSettings.model_fields["image_size"].default


@dataclass(frozen=True)
class _Fault:
    """Why a directory has to be made (anew).

    Attributes:
        reason: in words.
        listing: of the source's folder, if that was looked through to find it out.
    """

    reason: str
    listing: Listing | None = None


def prepare(name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str) -> TaskData:
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
    if source.is_streamed:
        check_streamed_settings(name, task)
    if _fault(data_dir, source) is not None:
        with storage_errors(data_dir):
            data_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(data_dir / f".{source.key}.lock", say) as alone:
            if alone:
                _remove_leftovers(data_dir, source)
            fault = _fault(data_dir, source)
            if fault is not None:
                say(f"{name}: preparing {source.text}: {fault.reason}")
                _build(source, data_dir, lambda line: say(f"{name}: {line}"), fault.listing)
    prepared = open_data(name, task, data_dir, mend=mend)
    if not source.takes_image_size and task.image_size not in (_UNSET_SIZE, prepared.image_size):
        say(
            f"{name}: task.{name}.image_size is {task.image_size} and has no effect on "
            f"{source.text}, whose images are as they are; task.{name}.pool makes them smaller"
        )
    say(f"{name}: {prepared.summary}")
    return prepared


def open_data(name: str, task: TaskSettings, data_dir: Path, *, mend: str) -> TaskData:
    """Opens what `prepare` made, of either kind.

    Raises:
        DataError: a file is missing, cut off or of another schema, or the settings do not fit.
    """
    if parse_source(task, f"task.{name}.source").is_streamed:
        return open_streamed(name, task, data_dir, mend=mend)
    return open_prepared(name, task, data_dir, mend=mend)


def open_task(name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str) -> Prepared:
    """Opens a task's data for a search; what lies on this machine is prepared first if need be.

    Never downloads, and never opens the test set of what is already prepared. Arguments and errors
    are those of `prepare`; a source that is streamed is refused.
    """
    source = parse_source(task, f"task.{name}.source")
    if source.is_streamed:
        raise DataError(
            f"task.{name}.source is {source.text!r}, which is for retraining only, expected images "
            f"that fit into memory; search on others, then `emtnas-hpc retrain RUN --on {name}`"
        )
    if not (source.needs_download or _is_current(data_dir, source)):
        prepare(name, task, data_dir, say=say, mend=mend)
    return open_prepared(name, task, data_dir, mend=mend)


def open_for_retraining(
    name: str, task: TaskSettings, data_dir: Path, *, say: Say, mend: str
) -> TaskData:
    """As `open_task`, for a retraining, which takes what is streamed too.

    The user's own folder of pictures is listed if need be; of a list that is there it is looked at
    no more, but every picture's size is compared when it is read.
    """
    source = parse_source(task, f"task.{name}.source")
    if not source.is_streamed:
        return open_task(name, task, data_dir, say=say, mend=mend)
    if (data_dir / source.key).exists():
        return open_streamed(name, task, data_dir, mend=mend)
    return prepare(name, task, data_dir, say=say, mend=mend)


def _is_current(data_dir: Path, source: Source) -> bool:
    try:
        return not _is_outdated(open_folder(data_dir / source.key), source, None)
    except DataError:
        return False


def _is_outdated(manifest: Contents, source: Source, listing: Listing | None) -> bool:
    """Whether the user has changed the source since.

    One that is gone cannot have changed: its prepared copy still serves. Lists are no copy.
    """
    if listing is not None:
        return (manifest.classes, manifest.files) != (listing.classes, records_of(listing))
    return fingerprint(source) not in (None, manifest.fingerprint)


def _fault(data_dir: Path, source: Source) -> _Fault | None:
    """Why a directory has to be made (anew), or None if every file of it is good."""
    folder, listing = data_dir / source.key, None
    if not folder.exists():
        return _Fault(f"{folder} is not there yet")
    try:
        manifest = read_manifest(folder, ListingManifest if source.is_streamed else Manifest)
        if source.is_streamed:
            listing = list_folder(source.folder(data_dir))
        if _is_outdated(manifest, source, listing):
            return _Fault(f"{source.argument} has changed", listing)
        for file in manifest.files:
            read_verified(folder, manifest, file)
    except DataError as error:
        return _Fault(str(error), listing)
    return None


def _build(source: Source, data_dir: Path, say: Say, listing: Listing | None) -> None:
    workshop = data_dir / f".{source.key}.{uuid.uuid4().hex}.partial"
    scratch, built = workshop / "scratch", workshop / "built"
    with storage_errors(workshop):
        scratch.mkdir(parents=True)
        built.mkdir()
    try:
        if source.is_streamed:
            write = _listed(source, source.folder(data_dir), listing, say)
        else:
            write = _arrays(source, Workplace(data_dir, scratch, say))
        with storage_errors(workshop):
            write(built)
            _publish(built, data_dir / source.key)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _arrays(source: Source, place: Workplace) -> Callable[[Path], None]:
    """Reads a source whole; returns what writes it."""
    # Before reading: a file that changes meanwhile must look changed the next time.
    made_from = fingerprint(source) or ""
    raw = read_source(source, place)
    splits = complete_splits(raw, shown(source.argument))
    for line in (*raw.notes, *doubts(splits, raw.classes)):
        place.say(line)
    return lambda built: write_arrays(built, source, made_from, splits, raw.classes, raw.conversion)


def _listed(
    source: Source, pictures: Path, listing: Listing | None, say: Say
) -> Callable[[Path], None]:
    """Lists a folder of pictures unless that is done; returns what writes the lists."""
    listing = listing or list_folder(pictures)
    for line in listing.notes:
        say(line)
    check_some(pictures, listing)
    return lambda built: write_lists(built, source, listing)


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
