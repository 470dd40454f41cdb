"""An experiment in a run directory: its file, its name, and those of its retrainings."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from emtnas_hpc.checkpoint.os_errors import read_if_there
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import InputError, StoredError
from emtnas_hpc.settings.experiment import (
    Experiment,
    RetrainingSettings,
    StageIdentity,
    TaskSettings,
    identify,
    search_settings,
    show,
    value_of,
)
from emtnas_hpc.settings.messages import first_finding, validate
from emtnas_hpc.settings.presets import RECIPE_SETTINGS, recipe_values

_ILLEGIBLE = re.compile(r"[^A-Za-z0-9_.=,-]+")
_LONGEST_NAME = 120
_LONGEST_LABEL = 60


def rename(experiment: Experiment, name: str) -> Experiment:
    """The same experiment under another name, that of the option --name.

    Raises:
        InputError: the name is none for a folder.
    """
    try:
        return validate(experiment.model_dump(mode="json") | {"name": name})
    except InputError as error:
        # All else has been validated before, so it begins with what is wrong: the name.
        raise InputError(f"--{error}") from None


def run_name(
    preset: Experiment, experiment: Experiment, registry: Mapping[str, TaskSettings]
) -> str:
    """The experiment's name, and what was changed in its preset if that can change a result.

    `cifar` with `search.rmp=0.1` is `cifar+rmp=0.1`; an override with the preset's own value adds
    nothing, so the same search has the same folder.

    `registry` has the settings of a task that the preset does not have.
    """
    known, unknown = {**registry, **preset.task}, TaskSettings(source="")
    tasks = {task: known.get(task, unknown) for task in experiment.tasks}
    same_tasks = preset.model_copy(update={"tasks": experiment.tasks, "task": tasks})
    before = search_settings(same_tasks) | {"tasks": list(preset.tasks)}
    after = search_settings(experiment)
    names = {*before, *after}
    changed = [
        f"{_short(name, names)}={_legible(name, value)}"
        for name in sorted(names)
        if value_of(before, name) != (value := value_of(after, name))
    ]
    return _bounded("+".join([experiment.name, *changed]), _LONGEST_NAME)


@cache
def recipe_label(settings: RetrainingSettings) -> str:
    """The recipe's name, and what was changed in it: `long+epochs=10`."""
    values = settings.model_dump(mode="json")
    recipe = recipe_values(settings.recipe)
    changed = [
        f"{name}={_legible(name, values[name])}"
        for name in RECIPE_SETTINGS
        if recipe.get(name) != values[name]
    ]
    return _bounded("+".join([settings.recipe, *changed]), _LONGEST_LABEL)


def retraining_name(task: str, found_on: str | None, n_normal: int, label: str) -> str:
    """The name of a retraining's folder: `digits-n2-long`, or `cifar10-on-digits-n2-long`.

    `found_on` is None for an architecture from elsewhere; `n_normal` is N, `label` the recipe's.
    """
    what = task if found_on in (None, task) else f"{found_on}-on-{task}"
    name = _bounded(f"{what}-n{n_normal}-{label}", _LONGEST_NAME)
    if "-" not in f"{task}{found_on}":
        return name
    # A task may be called a-on-b: what cannot be read back is told apart by its digest.
    return f"{name}-{_short_digest(repr((task, found_on, n_normal, label)))}"


def _bounded(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[:longest]}-{_short_digest(name)}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _short(name: str, among: Iterable[str]) -> str:
    """The last part of a setting's name, or all of it where another one ends alike."""
    if name.startswith("task."):
        return name.removeprefix("task.")
    last = name.rpartition(".")[2]
    alike = [other for other in among if other.rpartition(".")[2] == last]
    return last if len(alike) == 1 else name


def _legible(name: str, value: Any) -> str:
    """The value without characters that a shell or a path treats specially.

    Two values of a setting differ in it: one that cannot be read back gets a digest behind it.
    """
    if name.endswith(".source"):
        # The last part is enough: the data's digest tells apart what has the same name.
        return _ILLEGIBLE.sub("-", re.split(r"[:/]", show(value).rstrip("/"))[-1])
    items = value if isinstance(value, list) else [value]
    text = _ILLEGIBLE.sub("-", ",".join(map(_shown, items)))
    if list(map(_read_back, text.split(","))) == list(map(json.dumps, items)):
        return text
    return f"{text}-{_short_digest(json.dumps(value))}"


def _shown(item: Any) -> str:
    """1e+30 as 1e30: a plus stands between settings."""
    return show(item).replace("e+", "e") if isinstance(item, float) else show(item)


def _read_back(text: str) -> str:
    """A part of a name as JSON: a number or a truth value where it is one, else text."""
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return json.dumps(text)


_HEADER = (
    "# Written by emtnas-hpc when the run began; a run with other settings gets its own folder.\n"
)


@dataclass(frozen=True)
class StoredExperiment:
    """The content of an experiment.toml.

    Attributes:
        experiment: resolved: neither presets nor registry are needed to read it.
        data: by task the digest of its images.
        signatures: by the name of the stage; empty where nothing is searched.
    """

    experiment: Experiment
    seed: int
    data: Mapping[str, str]
    signatures: Mapping[str, str]

    @property
    def identity(self) -> StageIdentity:
        """That of its search."""
        return identify(self.experiment, self.seed, self.data)


def read_stored(paths: RunPaths) -> StoredExperiment | None:
    """Reads the experiment.toml of a run directory; None if there is none yet.

    Raises:
        StoredError: it cannot be understood.
        StorageError: it cannot be read.
    """
    content = read_if_there(paths.experiment)
    if content is None:
        return None
    try:
        # Editors on Windows put a byte order mark before what they save.
        return parse_stored(content.decode().removeprefix("\ufeff"), str(paths.experiment))
    except UnicodeDecodeError as error:
        raise StoredError(f"{paths.experiment} cannot be read: {error}") from None


def dump_stored(stored: StoredExperiment) -> str:
    """The text of the file."""
    table = {
        "seed": stored.seed,
        "data": dict(stored.data),
        "signatures": dict(stored.signatures),
        "experiment": stored.experiment.model_dump(mode="json"),
    }
    return _HEADER + tomli_w.dumps(table)


def parse_stored(text: str, origin: str) -> StoredExperiment:
    """The reverse of `dump_stored`.

    Raises:
        StoredError: the text is something else; `origin` is named.
    """
    try:
        file = _File.model_validate(tomllib.loads(text))
        return StoredExperiment(validate(file.experiment), file.seed, file.data, file.signatures)
    except ValidationError as error:
        reason = first_finding(error)
    except (tomllib.TOMLDecodeError, InputError) as error:
        reason = str(error)
    raise StoredError(f"{origin} is not the experiment.toml of a run: {reason}")


class _File(BaseModel):
    """The table of the file, its settings not yet validated."""

    model_config = ConfigDict(strict=True)

    seed: int
    data: dict[str, str]
    signatures: dict[str, str]
    experiment: dict[str, Any]
