"""Opening a task's data: that of its source as it is now, or that which a run has begun with."""

import json
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.data.copies import (
    Begun,
    Copy,
    begun_copy,
    copy_folders,
    current_copy,
    describe_change,
    read_copies,
    seen_before,
)
from emtnas_hpc.data.dataset import Prepared, Streamed, TaskData
from emtnas_hpc.data.images import Say
from emtnas_hpc.data.manifest import open_folder
from emtnas_hpc.data.prepare import compare_with_source, open_folder_of, prepare
from emtnas_hpc.data.sources import Source, fingerprint, parse_source
from emtnas_hpc.errors import DataError, EmtnasError, InputError
from emtnas_hpc.settings.experiment import TaskSettings


def open_data(name: str, task: TaskSettings, data_dir: Path, *, mend: str) -> Prepared | Streamed:
    """Opens what `prepare` made of a source as it is now, of either kind.

    Raises:
        DataError: a file is missing, cut off or of another schema, or the settings do not fit.
    """
    source = parse_source(task, f"task.{name}.source")
    copy = current_copy(read_copies(data_dir, source), source)
    return open_folder_of(name, task, data_dir, copy.folder if copy else None, mend=mend)


def open_task(
    name: str,
    task: TaskSettings,
    data_dir: Path,
    *,
    say: Say,
    mend: str,
    begun: Begun | None = None,
) -> Prepared:
    """Opens a task's data for a search; what lies on this machine is prepared first if need be.

    Never downloads, and never opens the test set of what is already prepared.

    Args:
        name: of the task.
        task: its settings.
        data_dir: where prepared data sets are.
        say: told in single lines what is done.
        mend: the command that prepares this one, for messages.
        begun: the images that are to be opened, whatever the source is now.

    Raises:
        DataError: the data is missing, damaged or streamed.
        InputError: the images that something has begun with are gone.
        StorageError: no room.
    """
    source = parse_source(task, f"task.{name}.source")
    if source.is_streamed:
        raise DataError(
            f"task.{name}.source is {source.text!r}, which is for retraining only, expected images "
            f"that fit into memory; search on others, then `emtnas-hpc retrain RUN --on {name}`"
        )
    data = open_for_retraining(name, task, data_dir, say=say, mend=mend, begun=begun)
    assert isinstance(data, Prepared)
    return data


def open_for_retraining(
    name: str,
    task: TaskSettings,
    data_dir: Path,
    *,
    say: Say,
    mend: str,
    begun: Begun | None = None,
) -> Prepared | Streamed:
    """As `open_task`, for a retraining, which takes what is streamed too.

    The user's own folder of pictures is listed if need be; of a list that is there it is looked at
    no more, but every picture's size is compared when it is read.
    """
    source = parse_source(task, f"task.{name}.source")
    if begun is not None:
        copy = begun_copy(read_copies(data_dir, source), source, begun)
        if copy is not None:
            return _open_begun(name, task, data_dir, copy, begun, say, mend)
    data = _open_current(name, task, data_dir, say, mend)
    # Images of another size are another setting, which whoever compares settings names.
    if begun is None or begun.fits(data) or begun.task.image_size != task.image_size:
        return data
    if begun.is_binding:
        raise InputError(f"{_other_images(name, source, data_dir, begun)}; {begun.remedy}")
    note = f"{name}: the images are others than those that {begun.what} began with"
    return replace(data, note=note)


def shared_with_search(data: TaskData, data_dir: Path, searched: Begun) -> list[str]:
    """The test images whose pixels a search was trained or validated on, by name.

    Raises:
        DataError: a file is missing or damaged, or what was searched on is gone.
    """
    source = parse_source(searched.task)
    tested_source = parse_source(data.task)
    seen = [copy for copy in read_copies(data_dir, source) if searched.fits(copy)]
    copies = read_copies(data_dir, tested_source)
    tested = next(
        (copy for copy in copies if copy.manifest.content_digest == data.digest_with_test), None
    )
    if not seen or tested is None:
        raise DataError(f"the copy that {searched.what} began with is not in {data_dir} any more")
    return [] if seen == [tested] else seen_before(tested, seen[0])


def _open_current(
    name: str, task: TaskSettings, data_dir: Path, say: Say, mend: str
) -> Prepared | Streamed:
    """Opens the copy of a source as it is now, which is made first if need be."""
    source = parse_source(task, f"task.{name}.source")
    copies = read_copies(data_dir, source)
    copy = current_copy(copies, source)
    is_listed = source.is_streamed and bool(copy_folders(data_dir, source))
    if not (source.needs_download or is_listed or (copy and _is_whole(copy))):
        return prepare(name, task, data_dir, say=say, mend=mend)
    note = ""
    if copy and len(copies) > 1 and fingerprint(source) is None:
        note = (
            f"{name}: {source.argument} is gone; of its {len(copies)} prepared copies the newest "
            f"is read, {copy.folder}"
        )
    folder = copy.folder if copy else None
    return open_folder_of(name, task, data_dir, folder, mend=mend, note=note)


def _is_whole(copy: Copy) -> bool:
    """Whether what a search sees is there."""
    try:
        open_folder(copy.folder)
    except DataError:
        return False
    return True


def _open_begun(
    name: str,
    task: TaskSettings,
    data_dir: Path,
    copy: Copy,
    begun: Begun,
    say: Say,
    mend: str,
) -> Prepared | Streamed:
    """Opens the copy that something has begun with, and tells what has changed since."""
    source = parse_source(task, f"task.{name}.source")
    if not (source.is_streamed or source.needs_download or _is_whole(copy)):
        _mend(name, task, data_dir, copy, begun, say)
    change = _change_since(name, copy, source, data_dir, say)
    if not change:
        return open_folder_of(name, task, data_dir, copy.folder, mend=mend)
    note = (
        f"{name}: {source.argument} has changed since {begun.what} began: {change}; the images of "
        f"then are used, in {copy.folder}; {begun.remedy}"
    )
    mend = f"{mend} (once {source.argument} is as it was)"
    return open_folder_of(name, task, data_dir, copy.folder, mend=mend, note=note)


def _mend(
    name: str, task: TaskSettings, data_dir: Path, copy: Copy, begun: Begun, say: Say
) -> None:
    """Mends a copy with its source, where that can be read; raises if it has other images now."""
    try:
        prepare(name, task, data_dir, say=say, mend="")
    except DataError:
        return  # opening it says what is damaged
    if not _is_whole(copy):
        raise InputError(
            f"{copy.folder} is damaged, and the images of {name} have changed since {begun.what} "
            f"began, so it cannot be made anew; put {parse_source(task).argument} back as it was; "
            f"{begun.remedy}"
        )


def _change_since(name: str, copy: Copy, source: Source, data_dir: Path, say: Say) -> str:
    """What is different in a source since a copy was made; empty if nothing is.

    It is found out once, and remembered beside the copy: reading a source anew may take long. Of
    all that a search does this alone reads test images, to tell them from the others.
    """
    try:
        now = current_copy(read_copies(data_dir, source), source)
        found = fingerprint(source)
    except DataError as error:
        return f"what is different cannot be told ({error})"
    if now and now.folder == copy.folder:
        return ""
    key = found or (now.manifest.content_digest if now else "")
    memory = copy.folder.with_name(f".{copy.folder.name}.change.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(memory.read_bytes())
        if known["source"] == key:
            return str(known["change"])
    try:
        if now:
            change = describe_change(copy, now)
        else:
            change = compare_with_source(name, copy, source, data_dir, say)
    except (EmtnasError, OSError) as error:
        return f"what is different cannot be told ({error})"
    with suppress(EmtnasError):
        write_file(memory, json.dumps({"source": key, "change": change}), uuid.uuid4().hex)
    return change


def _other_images(name: str, source: Source, data_dir: Path, begun: Begun) -> str:
    """That the images are others than those that something has begun with."""
    then = parse_source(begun.task)
    if then.key != source.key:
        found = f"task.{name}.source is {then.text!r} there, {source.text!r} here"
        return f"the images of {name} are others than those that {begun.what} began with ({found})"
    return (
        f"the images of {name} have changed since {begun.what} began, and no copy of what they "
        f"were is in {data_dir}: put that or {source.argument} back as it was"
    )
