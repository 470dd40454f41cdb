"""The name of a run's folder: the experiment's, and what was changed in it."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from emtnas_hpc.experiment.identity import changes_results, flatten, show
from emtnas_hpc.experiment.loading import validate
from emtnas_hpc.experiment.settings import Experiment, TaskSettings

_LONGEST_NAME = 120


def rename(experiment: Experiment, name: str) -> Experiment:
    """The same experiment under another name.

    Raises:
        InputError: the name is none for a folder.
    """
    return validate(experiment.model_dump(mode="json") | {"name": name})


def run_name(
    preset: Experiment, experiment: Experiment, registry: Mapping[str, TaskSettings]
) -> str:
    """The experiment's name, and what was changed in its preset if that can change a result.

    `cifar` with `search.rmp=0.1` is `cifar+rmp=0.1`; an override with the preset's own value adds
    nothing, so the same search has the same folder.

    Args:
        preset: before the overrides.
        experiment: with them.
        registry: what a task that was added is without overrides.
    """
    before = flatten(preset) | _tasks_before(preset, experiment, registry)
    after = flatten(experiment)
    changed = [
        f"{_short(name, after)}={_legible(name, value)}"
        for name, value in sorted(after.items())
        if changes_results(name) and before.get(name) != value
    ]
    name = "+".join([experiment.name, *changed])
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _tasks_before(
    preset: Experiment, experiment: Experiment, registry: Mapping[str, TaskSettings]
) -> dict[str, Any]:
    """What the experiment's tasks were before overrides, those included that were not in it."""
    known = {**registry, **preset.task}
    unknown = TaskSettings(source="")
    tasks = {name: known.get(name, unknown) for name in experiment.tasks}
    return flatten(preset.model_copy(update={"task": tasks}))


def _short(name: str, among: Iterable[str]) -> str:
    """The last part of a setting's name, or all of it where another one ends alike."""
    if name.startswith("task."):
        return name.removeprefix("task.")
    last = name.rpartition(".")[2]
    alike = [other for other in among if other.rpartition(".")[2] == last]
    return last if len(alike) == 1 else name


def _legible(name: str, value: Any) -> str:
    """The value with nothing in it that a shell or a path would trip over."""
    text = show(value)
    if name.endswith(".source"):
        # The last part says enough: the data's digest tells apart what has the same name.
        text = re.split(r"[:/]", text.rstrip("/"))[-1]
    return re.sub(r"[^A-Za-z0-9_.=,-]+", "-", text)
