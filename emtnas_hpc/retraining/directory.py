"""`retraining.toml` of a retraining's folder: what it is for, and whether that is what is asked."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from emtnas_hpc.data import open_for_retraining
from emtnas_hpc.errors import DamagedError, DataError, InputError
from emtnas_hpc.experiment import RetrainingSettings, difference
from emtnas_hpc.experiment.recipes import RECIPE_SETTINGS
from emtnas_hpc.history.retraining import RECORD_NAME, read_retraining
from emtnas_hpc.retraining.order import RetrainingOrder
from emtnas_hpc.retraining.plan import RetrainingPlan
from emtnas_hpc.retraining.test_set import refuse_missing_test_set
from emtnas_hpc.store.claim import Claim
from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.manifest import find_all_damage
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.refusals import read_if_there, storage_errors

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
    order: RetrainingOrder,
    data_dir: Path,
    *,
    mend: str,
    say: Callable[[str], None],
) -> RetrainingPlan | None:
    """The plan of a retraining that has work left; None for a finished one, whose data may be gone.

    Args:
        paths: of the run.
        order: what to train.
        data_dir: where prepared data sets are.
        mend: the command that prepares the data, for messages.
        say: told what is prepared.

    Raises:
        InputError: data is not there, or the folder belongs to another retraining.
    """
    try:
        data = open_for_retraining(order.task, order.images, data_dir, say=say, mend=mend)
        refuse_missing_test_set(data)
    except DataError:
        if is_finished(paths, order):
            return None
        raise
    plan = RetrainingPlan(order, data)
    stored = refuse_other_retraining(paths, plan)
    return None if stored and is_finished(paths, order) else plan


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


def read_identity(paths: RunPaths, order: RetrainingOrder) -> StoredIdentity | None:
    """What a retraining's folder says of itself; None if it says nothing yet.

    Raises:
        InputError: the file is there but cannot be understood.
    """
    path = paths.stage(order.stage_name).identity
    text = read_if_there(path)
    if text is None:
        return None
    try:
        file = tomllib.loads(text.decode())
        return StoredIdentity(file["signature"], {**_defaults(), **file["identity"]})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the retraining.toml of a retraining: {error}") from None


def store_identity(paths: RunPaths, plan: RetrainingPlan, claim: Claim) -> str:
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


def is_finished(paths: RunPaths, order: RetrainingOrder) -> bool:
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
