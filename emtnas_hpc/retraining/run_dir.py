"""The folder of a retraining: its retraining.toml, its images, and whether work is left."""

import logging
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from emtnas_hpc.checkpoint.atomic import make_directory, write_file
from emtnas_hpc.checkpoint.manifest import find_all_damage
from emtnas_hpc.checkpoint.os_errors import read_if_there, storage_errors
from emtnas_hpc.checkpoint.ownership import Lease
from emtnas_hpc.checkpoint.paths import RECORD, RunPaths, StagePaths, runs_of
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.opening import Begun, open_for_retraining, shared_with_search
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DamagedError, DataError, InputError, StorageError, first_few, shown
from emtnas_hpc.retraining.record import read_retraining
from emtnas_hpc.retraining.spec import RetrainingPlan, RetrainSpec
from emtnas_hpc.search.run_dir import images_searched
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import RetrainingSettings, TaskSettings, difference
from emtnas_hpc.settings.presets import RECIPE_SETTINGS

log = logging.getLogger(__name__)

_HEADER = "# Written by emtnas-hpc when the retraining began; another one gets its own folder.\n"


@dataclass(frozen=True)
class StoredIdentity:
    """The content of a retraining.toml.

    Attributes:
        values: of the identity; settings that an earlier version did not know have their defaults.
    """

    signature: str
    values: Mapping[str, Any]


def plan_retraining(
    run: RunSpec, spec: RetrainSpec, *, other_images: bool = False
) -> RetrainingPlan | None:
    """The plan of a retraining that has work left; None for a finished one, whose data may be gone.

    `other_images` trains on the images of now where the search saw others.

    Raises:
        InputError: data is not there, or the folder belongs to another retraining.
    """
    searched, stage = images_searched(run.paths), run.paths.stage(spec.stage_name)
    stored, seen = read_identity(stage), _images_searched(spec, searched)
    begun: Begun | None
    if stored is not None:
        begun = _images_begun(stage, spec, stored, searched)
    elif other_images:
        begun = None
    elif spec.task in searched:
        begun = seen
    else:
        begun = images_retrained_on(run.paths, spec.task, spec.images)
    try:
        data = open_for_retraining(spec.task, spec.images, run.data_dir, begun=begun)
        data.check_test_set()
    except DataError:
        if is_finished(run.paths, spec):
            return None
        raise
    if data.note:
        log.info(data.note)
    if stored is None:
        for warning in _tests_on_what_was_seen(spec, data, run.data_dir, searched):
            log.warning(f"warning: {warning}")
    elif other_images and data.note and seen and seen.fits(data):
        raise InputError(
            f"{shown(stage.directory)} was made with the images that the search saw; move it away "
            "to train on those of now"
        )
    plan = RetrainingPlan(spec, data)
    refuse_other_retraining(run.paths, plan)
    return None if is_finished(run.paths, spec) else plan


def images_retrained_on(paths: RunPaths, task: str, images: TaskSettings) -> Begun | None:
    """The images of a data set that retrainings of a run, or of its other seeds, began with."""
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
    # One that cannot be read is refused by the process that continues it.
    with suppress(StorageError):
        for stage in run.retrainings():
            with suppress(InputError):
                if stored := read_identity(stage):
                    yield stage, stored


def _images_begun(
    stage: StagePaths, spec: RetrainSpec, stored: StoredIdentity, searched: Mapping[str, Begun]
) -> Begun:
    """The images that this very retraining has begun with."""
    anew = " and add --other-images" if spec.task in searched else ""
    remedy = f"to train on the images of now, move {shown(stage.directory)}"
    return Begun(
        stored.values["data"],
        searched[spec.task].task if spec.task in searched else spec.images,
        with_test=True,
        what=spec.name,
        remedy=f"{remedy} away{anew}",
    )


def _images_searched(spec: RetrainSpec, searched: Mapping[str, Begun]) -> Begun | None:
    """The images that the search saw of the data set to train on, if its source is the same."""
    seen = searched.get(spec.task)
    same = seen is not None and parse_source(seen.task).key == parse_source(spec.images).key
    return seen if same else None


def _tests_on_what_was_seen(
    spec: RetrainSpec, data: TaskData, data_dir: Path, searched: Mapping[str, Begun]
) -> Iterator[str]:
    """Warns of test images that the search has trained or validated on.

    Only the user's own data sets are looked through: the others never change.
    """
    found_on = spec.origin.task if spec.origin else spec.task
    seen = searched.get(found_on)
    if seen is None or not (_is_own(seen.task) and _is_own(data.task)):
        return
    try:
        names = shared_with_search(data, data_dir, seen)
    except DataError as error:
        yield f"whether test images of {spec.task} were seen by the search cannot be told: {error}"
        return
    if names:
        images = "1 test image" if len(names) == 1 else f"{len(names):,} test images"
        first = first_few([shown(name) for name in names])
        yield (
            f"the search saw {images} of {spec.task} among its training and validation images "
            f"of {found_on} ({first}); the test accuracy will flatter"
        )


def _is_own(images: TaskSettings) -> bool:
    source = parse_source(images)
    return not (source.needs_download or source.is_streamed or source.kind == "package")


def refuse_other_retraining(paths: RunPaths, plan: RetrainingPlan) -> StoredIdentity | None:
    """Refuses a folder that was made for another architecture, with other settings or data.

    Returns:
        The content of its retraining.toml, None if there is none yet.

    Raises:
        InputError: naming the difference.
    """
    stage, asked = paths.stage(plan.spec.stage_name), plan.identity.values
    stored = read_identity(stage)
    if stored is not None and stored.values != asked:
        raise InputError(
            f"{stage.directory} was made with other settings: "
            f"{difference(stored.values, asked)}; use those, or move the folder away"
        )
    return stored


def read_identity(stage: StagePaths) -> StoredIdentity | None:
    """Reads the retraining.toml of a folder; None if there is none yet.

    Raises:
        InputError: it cannot be understood.
    """
    text = read_if_there(stage.identity)
    if text is None:
        return None
    try:
        file = tomllib.loads(text.decode())
        settings = RetrainingSettings().model_dump(mode="json")
        defaults = {f"retraining.{n}": settings[n] for n in RECIPE_SETTINGS if n in settings}
        stored = StoredIdentity(file["signature"], {**defaults, **file["identity"]})
        if "data" not in stored.values:
            raise KeyError("data")
        return stored
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{stage.identity} is not the retraining.toml of a retraining: {error}"
        ) from None


def store_identity(paths: RunPaths, plan: RetrainingPlan, lease: Lease) -> str:
    """Writes retraining.toml, once; returns the signature that the commits carry."""
    # Asked again, now that no other process may be writing it.
    stored = refuse_other_retraining(paths, plan)
    if stored is None:
        stored = StoredIdentity(plan.identity.signature, plan.identity.values)
        table = {"signature": stored.signature, "identity": dict(stored.values)}
        stage = paths.stage(plan.spec.stage_name)
        lease.check()
        make_directory(stage.directory)
        write_file(stage.identity, _HEADER + tomli_w.dumps(table), lease.token)
    return stored.signature


def is_finished(paths: RunPaths, spec: RetrainSpec) -> bool:
    """Whether this very retraining is over and its last commit good; its data may be gone."""
    stage = paths.stage(spec.stage_name)
    stored = read_identity(stage)
    if stored is None or stored.values != spec.identity(stored.values["data"]).values:
        return False
    steps = stage.steps()
    if not steps or find_all_damage(stage.commit(steps[-1])):
        return False
    record = stage.commit(steps[-1]) / RECORD
    try:
        with storage_errors(record, "read"):
            return read_retraining(record).finished
    except DamagedError:
        return False
