"""`retraining.toml` of a retraining's folder: what it is for, and whether that is what is asked."""

import logging
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w

from emtnas_hpc.checkpoint.atomic import make_directory, write_file
from emtnas_hpc.checkpoint.manifest import find_all_damage
from emtnas_hpc.checkpoint.os_errors import read_if_there, storage_errors
from emtnas_hpc.checkpoint.ownership import Lease
from emtnas_hpc.checkpoint.paths import RunPaths, StagePaths, runs_of
from emtnas_hpc.data.copies import Begun, name_some
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.opening import open_for_retraining, shared_with_search
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DamagedError, DataError, InputError, StorageError, shown
from emtnas_hpc.retraining.record import RECORD_NAME, read_retraining
from emtnas_hpc.retraining.spec import RetrainingPlan, RetrainSpec, refuse_missing_test_set
from emtnas_hpc.settings.experiment import RetrainingSettings, TaskSettings, difference
from emtnas_hpc.settings.presets import RECIPE_SETTINGS

log = logging.getLogger(__name__)

_HEADER = "# Written by emtnas-hpc when the retraining began; another one gets its own folder.\n"


@dataclass(frozen=True)
class StoredIdentity:
    """What a retraining's folder says of itself.

    Attributes:
        signature: that its commits carry.
        values: what it depends on; what an earlier version did not know has its default.
    """

    signature: str
    values: Mapping[str, Any]


def retraining_left(
    paths: RunPaths,
    order: RetrainSpec,
    data_dir: Path,
    *,
    mend: str,
    searched: Mapping[str, Begun] = MappingProxyType({}),
    other_images: bool = False,
) -> RetrainingPlan | None:
    """The plan of a retraining that has work left; None for a finished one, whose data may be gone.

    Args:
        paths: of the run.
        order: what to train.
        data_dir: where prepared data sets are.
        mend: the command that prepares the data, for messages.
        searched: the images, by task, that the search has seen.
        other_images: whether to train on the images of now where the search saw others.

    Raises:
        InputError: data is not there, or the folder belongs to another retraining.
    """
    own = read_identity(paths, order)
    seen = _images_searched(order, searched)
    if own is not None:
        begun: Begun | None = _images_begun(paths, order, own, searched)
    elif other_images or order.task in searched:
        begun = None if other_images else seen
    else:
        begun = images_retrained_on(paths, order.task, order.images)
    try:
        data = open_for_retraining(
            order.task, order.images, data_dir, say=log.info, mend=mend, begun=begun
        )
        refuse_missing_test_set(data)
    except DataError:
        if is_finished(paths, order):
            return None
        raise
    if data.note:
        log.info(data.note)
    if own is None:
        for warning in _tests_on_what_was_seen(order, data, data_dir, searched):
            log.warning(f"warning: {warning}")
    elif other_images and data.note and seen and seen.fits(data):
        raise InputError(
            f"{shown(paths.stage(order.stage_name).directory)} was made with the images that the "
            "search saw; move it away to train on those of now"
        )
    plan = RetrainingPlan(order, data)
    stored = refuse_other_retraining(paths, plan)
    return None if stored and is_finished(paths, order) else plan


def images_retrained_on(paths: RunPaths, task: str, images: TaskSettings) -> Begun | None:
    """The images that retrainings of a run, or of its other seeds, have begun with.

    Args:
        paths: of the run.
        task: data set that is trained on.
        images: its settings.
    """
    for run in (paths, *runs_of(paths.directory.parent)):
        for stage, stored in _readable_retrainings(run):
            if stored.values.get("task") == task:
                return Begun(
                    stored.values["data"],
                    images,
                    with_test=True,
                    what=shown(stage.directory),
                    remedy="`emtnas-hpc retrain` with --other-images takes the images of now",
                    is_binding=False,
                )
    return None


def _readable_retrainings(run: RunPaths) -> Iterator[tuple[StagePaths, StoredIdentity]]:
    """What cannot be read of a run is said by who carries that on."""
    with suppress(StorageError):
        for stage in run.retrainings():
            with suppress(InputError):
                if stored := _read_identity(stage.identity):
                    yield stage, stored


def _images_begun(
    paths: RunPaths, order: RetrainSpec, own: StoredIdentity, searched: Mapping[str, Begun]
) -> Begun:
    """Those that this very retraining has begun with."""
    anew = " and add --other-images" if order.task in searched else ""
    remedy = f"to train on the images of now, move {shown(paths.stage(order.stage_name).directory)}"
    return Begun(
        own.values.get("data", ""),
        searched[order.task].task if order.task in searched else order.images,
        with_test=True,
        what=order.name,
        remedy=f"{remedy} away{anew}",
    )


def _images_searched(order: RetrainSpec, searched: Mapping[str, Begun]) -> Begun | None:
    """Those that the search saw of the data set that is trained on, unless another is given."""
    seen = searched.get(order.task)
    if seen is None or parse_source(seen.task).key != parse_source(order.images).key:
        return None
    return seen


def _tests_on_what_was_seen(
    order: RetrainSpec, data: TaskData, data_dir: Path, searched: Mapping[str, Begun]
) -> Iterator[str]:
    """Says which test images the search has trained or validated on, where they may be others.

    Data sets that nobody changes are not looked through.
    """
    found_on = order.origin.task if order.origin else order.task
    seen = searched.get(found_on)
    if seen is None or not (_is_own(seen.task) and _is_own(data.task)):
        return
    try:
        names = shared_with_search(data, data_dir, seen)
    except DataError as error:
        yield f"whether test images of {order.task} were seen by the search cannot be told: {error}"
        return
    if names:
        images = "1 test image" if len(names) == 1 else f"{len(names):,} test images"
        yield (
            f"the search saw {images} of {order.task} among its training and validation images "
            f"of {found_on} ({name_some(names)}); the test accuracy will flatter"
        )


def _is_own(images: TaskSettings) -> bool:
    source = parse_source(images)
    return not (source.needs_download or source.is_streamed or source.kind == "package")


def refuse_other_retraining(paths: RunPaths, plan: RetrainingPlan) -> StoredIdentity | None:
    """Refuses a folder that was made for another architecture, with other settings or data.

    Returns:
        What the folder says of itself, None if it says nothing yet.

    Raises:
        InputError: naming the difference.
    """
    stored = read_identity(paths, plan.order)
    asked = plan.identity.values
    if stored is not None and stored.values != asked:
        raise InputError(
            f"{paths.stage(plan.order.stage_name).directory} was made with other settings: "
            f"{difference(stored.values, asked)}; use those, or move the folder away"
        )
    return stored


def read_identity(paths: RunPaths, order: RetrainSpec) -> StoredIdentity | None:
    """What a retraining's folder says of itself; None if it says nothing yet.

    Raises:
        InputError: the file is there but cannot be understood.
    """
    return _read_identity(paths.stage(order.stage_name).identity)


def _read_identity(path: Path) -> StoredIdentity | None:
    text = read_if_there(path)
    if text is None:
        return None
    try:
        file = tomllib.loads(text.decode())
        return StoredIdentity(file["signature"], {**_defaults(), **file["identity"]})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the retraining.toml of a retraining: {error}") from None


def store_identity(paths: RunPaths, plan: RetrainingPlan, claim: Lease) -> str:
    """Says what the folder is for, once; returns the signature that its commits carry."""
    # Again, now that nobody else may be writing it.
    stored = refuse_other_retraining(paths, plan)
    if stored is None:
        identity = plan.identity
        stored = StoredIdentity(identity.signature, identity.values)
        table = {"signature": stored.signature, "identity": dict(stored.values)}
        stage = paths.stage(plan.order.stage_name)
        claim.check()
        make_directory(stage.directory)
        write_file(stage.identity, _HEADER + tomli_w.dumps(table), claim.token)
    return stored.signature


def is_finished(paths: RunPaths, order: RetrainSpec) -> bool:
    """Whether this very retraining is over and its last commit good; its data may be gone."""
    stored = read_identity(paths, order)
    if stored is None or stored.values != order.identity(stored.values.get("data", "")).values:
        return False
    stage = paths.stage(order.stage_name)
    steps = stage.steps()
    if not steps or find_all_damage(stage.commit(steps[-1])):
        return False
    record = stage.commit(steps[-1]) / RECORD_NAME
    try:
        with storage_errors(record, "read"):
            return read_retraining(record).finished
    except DamagedError:
        return False


def _defaults() -> dict[str, Any]:
    settings = RetrainingSettings().model_dump(mode="json")
    return {f"retraining.{name}": settings[name] for name in RECIPE_SETTINGS}
