"""Opening a task's data: that of its source as it is now, or that which a run has begun with."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.data.copies import (
    Begun,
    copy_folders,
    current_copy,
    describe_change,
    read_copies,
    seen_before,
)
from emtnas_hpc.data.dataset import Prepared, TaskData
from emtnas_hpc.data.manifest import Copy
from emtnas_hpc.data.prepare import Preparation
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError, EmtnasError, InputError
from emtnas_hpc.settings.experiment import TaskSettings

_Wanted: TypeAlias = tuple[str, TaskSettings, Path, Begun | None]

#: With another value of one of them the images are others.
_settings = attrgetter("image_size", "validation_split")

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
    """Opens a task's data for a search; what lies on this machine is prepared first if need be.

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
    """As `open_task`, for a retraining, which takes what is streamed too.

    The user's own folder of pictures is listed if need be; of a list that is there it is looked at
    no more, but every picture's size is compared when it is read.
    """
    opened = _opened.get()
    wanted = name, task, data_dir, begun
    if opened is not None and wanted in opened:
        return opened[wanted]
    data = _Opening(Preparation(name, task, data_dir)).open(begun)
    if opened is not None:
        opened[wanted] = data
    return data


def shared_with_search(data: TaskData, data_dir: Path, searched: Begun) -> list[str]:
    """The test images whose pixels a search was trained or validated on, by name.

    Raises:
        DataError: a file is missing or damaged, or what was searched on is gone.
    """
    copies = read_copies(data_dir, parse_source(searched.task))
    seen = [copy for copy in copies if searched.fits(copy)]
    if not seen:
        raise DataError(f"the copy that {searched.what} began with is not in {data_dir} any more")
    is_its_own = [copy.folder for copy in seen] == [data.folder]
    return [] if is_its_own else seen_before(data, seen[0])


class _Opening:
    """Chooses among the copies of a source, and tells what has changed."""

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._name = preparation.name
        self._source = preparation.source
        self._data_dir = preparation.data_dir

    def open(self, begun: Begun | None) -> TaskData:
        """Opens what something has begun with, else the source as it is now."""
        copy = None if begun is None else self._find(begun)
        if begun is not None and copy is not None:
            return self._open_begun(copy, begun)
        data = self._open_current()
        # Images of another size or split are another setting: the comparison of settings names it.
        if begun is None or begun.fits(data) or _settings(begun.task) != _settings(data.task):
            return data
        if begun.is_binding:
            raise InputError(f"{self._other_images(begun)}; {begun.remedy}")
        note = f"{self._name}: the images are others than those that {begun.what} began with"
        return replace(data, note=note)

    def _find(self, begun: Begun) -> Copy | None:
        """The copy of the images that something has begun with; None if it is gone.

        Where several differ in their test sets only, that of the source as it is now is preferred.
        """
        fitting = [copy for copy in self._preparation.copies() if begun.fits(copy)]
        # The source may be nothing that can be read any more; what began does not depend on it.
        with suppress(DataError):
            if len(fitting) > 1:
                current = current_copy(fitting, self._preparation.fingerprint)
                return current or fitting[0]
        return next(iter(fitting), None)

    def _open_current(self) -> TaskData:
        """Opens the copy of the source as it is now, which is made first if need be."""
        source, copies = self._source, self._preparation.copies()
        copy = current_copy(copies, self._preparation.fingerprint)
        is_listed = source.is_streamed and bool(copy_folders(self._data_dir, source))
        if not (source.needs_download or is_listed or (copy and copy.is_whole())):
            return self._preparation.prepare()
        note = ""
        if copy and len(copies) > 1 and self._preparation.fingerprint is None:
            note = (
                f"{self._name}: {source.argument} is gone; of its {len(copies)} prepared copies "
                f"the newest is read, {copy.folder}"
            )
        return self._preparation.open(copy, note=note)

    def _open_begun(self, copy: Copy, begun: Begun) -> TaskData:
        """Opens the copy that something has begun with, and tells what has changed since."""
        source = self._source
        if not (source.is_streamed or source.needs_download or copy.is_whole()):
            self._mend(copy, begun)
        change = self._change_since(copy)
        if not change:
            return self._preparation.open(copy)
        note = (
            f"{self._name}: {source.argument} has changed since {begun.what} began: {change}; the "
            f"images of then are used, in {copy.folder}; {begun.remedy}"
        )
        once = f"once {source.argument} is as it was"
        return self._preparation.open(copy, note=note, once=once)

    def _mend(self, copy: Copy, begun: Begun) -> None:
        """Mends a copy with its source, where that can be read; raises if it has other images."""
        try:
            self._preparation.prepare()
        except DataError:
            return  # opening it says what is damaged
        if not copy.is_whole():
            raise InputError(
                f"{copy.folder} is damaged, and the images of {self._name} have changed since "
                f"{begun.what} began, so it cannot be made anew; put {self._source.argument} back "
                f"as it was; {begun.remedy}"
            )

    def _change_since(self, copy: Copy) -> str:
        """What is different in the source since a copy was made; empty if nothing is.

        It is found out once, and remembered beside the copy: reading a source anew may take long.
        Of all that a search does this alone reads test images, to tell them from the others.
        """
        try:
            found = self._preparation.fingerprint
            now = current_copy(self._preparation.copies(), found)
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
            change = describe_change(copy, now) if now else self._preparation.change_since(copy)
        except (EmtnasError, OSError) as error:
            return f"what is different cannot be told ({error})"
        with suppress(EmtnasError):
            write_file(memory, json.dumps({"source": key, "change": change}), uuid.uuid4().hex)
        return change

    def _other_images(self, begun: Begun) -> str:
        """That the images are others than those that something has begun with."""
        name, source, then = self._name, self._source, parse_source(begun.task)
        if then.key != source.key:
            found = f"task.{name}.source is {then.text!r} there, {source.text!r} here"
            return (
                f"the images of {name} are others than those that {begun.what} began with ({found})"
            )
        return (
            f"the images of {name} have changed since {begun.what} began, and no copy of what they "
            f"were is in {self._data_dir}: put that or {source.argument} back as it was"
        )
