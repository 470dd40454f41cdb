"""Opening a task's data: that of its source as it is now, or that which a run has begun with."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.data.copies import (
    copy_folders,
    current_copy,
    describe_change,
    read_copies,
    seen_before,
)
from emtnas_hpc.data.dataset import Prepared, TaskData
from emtnas_hpc.data.manifest import Copy, ListingManifest
from emtnas_hpc.data.prepare import Preparation
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError, EmtnasError, InputError
from emtnas_hpc.settings.experiment import TaskSettings


@dataclass(frozen=True)
class Begun:
    """The images that a search or retraining has begun with: they stay, whatever the source is now.

    Attributes:
        digest: of the images.
        task: the settings that they had then.
        with_test: whether the digest is of the test set as well.
        what: the run or retraining, for messages.
        remedy: how to use the images of now, for messages.
        is_binding: whether other images are refused; if not, they are used with a note.
    """

    digest: str
    task: TaskSettings
    with_test: bool = field(kw_only=True)
    what: str = field(kw_only=True)
    remedy: str = field(kw_only=True)
    is_binding: bool = field(default=True, kw_only=True)

    def fits(self, copy: Copy) -> bool:
        """Whether a copy holds these images."""
        manifest = copy.manifest
        if self.with_test or isinstance(manifest, ListingManifest):
            return manifest.content_digest == self.digest
        return manifest.search_digest(self.task.pool) == self.digest


_Wanted: TypeAlias = tuple[str, TaskSettings, Path, Begun | None]

#: With another value of one of them the images are others.
_which_images = attrgetter("image_size", "validation_split")

_opened: ContextVar[dict[_Wanted, TaskData] | None] = ContextVar("opened", default=None)


@contextmanager
def opened_once() -> Iterator[None]:
    """Within it the same data is opened once, however many seeds and stages ask for it."""
    before = _opened.set({})
    try:
        yield
    finally:
        _opened.reset(before)


def open_task(
    name: str, task: TaskSettings, data_dir: Path, *, begun: Begun | None = None
) -> Prepared:
    """Opens a task's data for a search; a source on this machine is prepared first if need be.

    Never downloads, and never opens the test set of what is already prepared. The images that a
    run or retraining has begun with are opened whatever the source is now.

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
    data = open_for_retraining(name, task, data_dir, begun=begun)
    assert isinstance(data, Prepared)
    return data


def open_for_retraining(
    name: str, task: TaskSettings, data_dir: Path, *, begun: Begun | None = None
) -> TaskData:
    """As `open_task`, for a retraining, which takes streamed data too.

    The user's folder of streamed pictures is listed if need be. A list that exists is not compared
    with the folder again, but every picture's size is when it is read.
    """
    opened, wanted = _opened.get(), (name, task, data_dir, begun)
    if opened is not None and wanted in opened:
        return opened[wanted]
    preparation = Preparation(name, task, data_dir)
    copy = _find(preparation, begun) if begun else None
    data = _open_begun(preparation, copy, begun) if begun and copy else _open_now(preparation)
    # Images of another size or split are another setting: the comparison of settings names it.
    is_alike = begun is not None and _which_images(begun.task) == _which_images(task)
    if begun and not copy and not begun.fits(data) and is_alike:
        if begun.is_binding:
            raise InputError(f"{_say_gone(preparation, begun)}; {begun.remedy}")
        note = f"{name}: the images are others than those that {begun.what} began with"
        data = replace(data, note=note)
    if opened is not None:
        opened[wanted] = data
    return data


def shared_with_search(data: TaskData, data_dir: Path, searched: Begun) -> list[str]:
    """The names of the test images whose pixels a search was trained or validated on.

    Raises:
        DataError: a file is missing or damaged, or the images of the search are gone.
    """
    copies = read_copies(data_dir, parse_source(searched.task))
    seen = [copy for copy in copies if searched.fits(copy)]
    if not seen:
        raise DataError(f"the copy that {searched.what} began with is not in {data_dir} any more")
    is_its_own = [copy.folder for copy in seen] == [data.folder]
    return [] if is_its_own else seen_before(data, seen[0])


def _find(preparation: Preparation, begun: Begun) -> Copy | None:
    """The copy of the images that something has begun with; None if it is gone.

    Where several differ in their test sets only, that of the source as it is now is preferred.
    """
    fitting = [copy for copy in preparation.copies() if begun.fits(copy)]
    # The source may be unreadable by now; what has begun does not depend on it.
    with suppress(DataError):
        if len(fitting) > 1:
            return current_copy(fitting, preparation.fingerprint) or fitting[0]
    return next(iter(fitting), None)


def _open_now(preparation: Preparation) -> TaskData:
    """Opens the copy of the source as it is now, which is made first if need be."""
    source, copies = preparation.source, preparation.copies()
    copy = current_copy(copies, preparation.fingerprint)
    is_listed = source.is_streamed and bool(copy_folders(preparation.data_dir, source))
    if not (source.needs_download or is_listed or (copy and copy.is_whole())):
        return preparation.prepare()
    data = preparation.open(copy)
    if copy and len(copies) > 1 and preparation.fingerprint is None:
        note = (
            f"{preparation.name}: {source.argument} is gone; of its {len(copies)} prepared copies "
            f"the newest is read, {copy.folder}"
        )
        return replace(data, note=note)
    return data


def _open_begun(preparation: Preparation, copy: Copy, begun: Begun) -> TaskData:
    """Opens the copy that something has begun with, and notes what has changed since."""
    name, source = preparation.name, preparation.source
    if not (source.is_streamed or source.needs_download or copy.is_whole()):
        # The source may hold the same images still, and then repairs the copy; if it cannot be
        # read, opening the copy says what is damaged.
        with suppress(DataError):
            preparation.prepare()
            if not copy.is_whole():
                raise InputError(
                    f"{copy.folder} is damaged, and the images of {name} have changed since "
                    f"{begun.what} began, so it cannot be made anew; put {source.argument} back "
                    f"as it was; {begun.remedy}"
                )
    change = _change_since(preparation, copy)
    if not change:
        return preparation.open(copy)
    note = (
        f"{name}: {source.argument} has changed since {begun.what} began: {change}; the images of "
        f"then are used, in {copy.folder}; {begun.remedy}"
    )
    data = preparation.open(replace(copy, needs=f"once {source.argument} is as it was"))
    return replace(data, note=note)


def _change_since(preparation: Preparation, copy: Copy) -> str:
    """What is different in the source since a copy was made; empty if nothing is.

    It is found out once, and remembered beside the copy: reading a source anew may take long. This
    is the only part of a search that reads test images, to tell them from the others.
    """
    try:
        found = preparation.fingerprint
        now = current_copy(preparation.copies(), found)
    except DataError as error:
        return f"what is different cannot be told ({error})"
    if now and now.folder == copy.folder:
        return ""
    # A source without fingerprint is known by what its newest copy holds.
    key = found or (now.manifest.content_digest if now else "")
    memory = copy.folder.with_name(f".{copy.folder.name}.change.json")
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(memory.read_bytes())
        if known["source"] == key:
            return str(known["change"])
    try:
        change = describe_change(copy, now) if now else preparation.change_since(copy)
    except (EmtnasError, OSError) as error:
        return f"what is different cannot be told ({error})"
    # Where it cannot be written the next start finds it out again.
    with suppress(EmtnasError):
        write_file(memory, json.dumps({"source": key, "change": change}), uuid.uuid4().hex)
    return change


def _say_gone(preparation: Preparation, begun: Begun) -> str:
    """Why the images are others than those that something has begun with."""
    name, source, then = preparation.name, preparation.source, parse_source(begun.task)
    if then.key != source.key:
        found = f"task.{name}.source is {then.text!r} there, {source.text!r} here"
        return f"the images of {name} are others than those that {begun.what} began with ({found})"
    return (
        f"the images of {name} have changed since {begun.what} began, and no copy of what they "
        f"were is in {preparation.data_dir}: put that or {source.argument} back as it was"
    )
