"""From a preset's name and overrides to a validated experiment, or one clear line why not."""

import os
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment, TaskSettings
from emtnas_hpc.settings.messages import at_home, read_toml, validate
from emtnas_hpc.settings.presets import (
    RECIPE_SETTINGS,
    Table,
    data_sets_of,
    merge,
    overlay,
    preset_names,
    read_preset,
    study_names,
    study_path,
    with_recipe,
    words_of,
)


def load_experiment(
    experiment: str,
    overrides: Sequence[str] = (),
    *,
    registry: Mapping[str, TaskSettings],
) -> Experiment:
    """Reads a preset or TOML file and puts overrides of the form `section.setting=value` over it.

    Args:
        experiment: a preset's name or the path of a TOML file.
        overrides: values as TOML writes them; a bare word counts as text.
        registry: the settings of known data sets; an experiment's own `[task.NAME]` goes over them.

    Raises:
        InputError: anything unknown, of the wrong type, or out of range; the message names the
            setting, what was found and what is expected.
    """
    return build_experiment(_table(experiment, overrides), registry)


def _table(experiment: str, overrides: Sequence[str]) -> Table:
    return overlay(read_preset(experiment), parse_overrides(overrides))


def parse_overrides(overrides: Sequence[str]) -> Table:
    """Overrides of the form `section.setting=value` as one table; the last of two counts.

    Raises:
        InputError: one of them has another form.
    """
    over: Table = {}
    for override in overrides:
        over = merge(over, _parse_override(override))
    return over


def retraining_experiment(
    experiment: Experiment,
    overrides: Sequence[str] = (),
    *,
    recipe: str | None = None,
    targets: Sequence[str],
    registry: Mapping[str, TaskSettings],
) -> Experiment:
    """The experiment of a retraining: that of its run with other settings put over it.

    Args:
        experiment: of the run.
        overrides: as in `load_experiment`, of `retraining` and of the targets' images only.
        recipe: in place of the run's, without the values that the run had put over that.
        targets: the data sets to train on, whether the run has searched for them or not.
        registry: as in `load_experiment`.

    Raises:
        InputError: as `load_experiment`; or an override belongs to the search.
    """
    over = parse_overrides(overrides)
    for section in sorted(set(over) - {"retraining", "task"}):
        raise InputError(
            f"{section} is set, expected settings of retraining and of task: "
            "a search that is over is not changed"
        )
    if recipe is not None:
        over = merge(over, {"retraining": {"recipe": recipe}})
    table = experiment.model_dump(
        mode="json", include={"name", "threads", "precision", "retraining"}
    )
    given = over.get("retraining")
    if isinstance(given, dict) and "transfer" in given:
        raise InputError(
            "retraining.transfer is set, which is for a run; name the data set to train on with "
            "--on, in a notebook with on=..."
        )
    # The targets say what to train on.
    table["retraining"]["transfer"] = []
    if isinstance(given, dict) and "recipe" in given:
        for setting in ("recipe", "origin", *RECIPE_SETTINGS):
            table["retraining"].pop(setting, None)
    # Nothing is searched: any population that validation allows will do.
    table |= {"tasks": list(targets), "search": {"population": max(20, len(targets))}}
    return build_experiment(merge(table, over), {**registry, **experiment.task})


def build_experiment(table: Table, registry: Mapping[str, TaskSettings]) -> Experiment:
    """Validates a table in which tasks may still lean on the registry."""
    names = table.get("tasks", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f'tasks is {names!r}, expected a list such as ["cifar10", "cifar100"]')
    given = table.get("task", {})
    if not isinstance(given, dict):
        raise InputError(f"task is {given!r}, expected tables such as [task.cifar10]")
    data_sets = data_sets_of(table)
    task = {name: _task_table(name, given.get(name, {}), registry) for name in data_sets}
    if unknown := set(given) - set(data_sets):
        raise InputError(f"task.{min(unknown)} is set, but the tasks are {', '.join(data_sets)}")
    return validate(with_recipe(table) | {"task": task})


def _parse_override(override: str) -> Table:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{override!r} sets nothing, expected section.setting=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if isinstance(value, (date, time)):
        value = text  # no setting is one; it is a name
    table: Any = value
    for part in reversed(key.strip().split(".")):
        table = {part: table}
    return dict(table)


def _task_table(name: str, given: Any, registry: Mapping[str, TaskSettings]) -> Any:
    if not isinstance(given, dict):
        return given
    if name in registry:
        return registry[name].model_dump() | given
    if "source" in given:
        return given
    known = ", ".join(sorted(registry))
    raise InputError(
        f"unknown data set {name!r}; known are: {known}; or give task.{name}.source (npz:FILE or "
        "images:DIR)"
    )


@dataclass(frozen=True)
class Typed:
    """An experiment as a user types it: a preset's name or a TOML file, and overrides."""

    experiment: str
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Its words, quoted for a shell."""
        return shlex.join(self.words)

    @property
    def words(self) -> list[str]:
        """Of the command line."""
        return words_of(self.experiment, self.overrides)


def read_study(name: str) -> tuple[Typed, ...] | None:
    """The experiments of a study; None where the name is that of a preset or an experiment.

    The name is that of a shipped study, or the path of a TOML file with `[[experiments]]`.

    Raises:
        InputError: it is a study, and not a good one.
    """
    path = study_path(name) if name in study_names() else at_home(name)
    if name in preset_names() or path.suffix != ".toml" or not os.path.isfile(path):  # noqa: PTH113
        # A file that may not be read is refused when it is read as an experiment.
        return None
    table = read_toml(path)
    if "experiments" not in table:
        return None
    entries = table["experiments"]
    if set(table) != {"experiments"} or not isinstance(entries, list) or not entries:
        raise InputError(
            f"{path}: a study is one or more tables [[experiments]], in two brackets each, and "
            "nothing else"
        )
    return tuple(_entry(path, n, entry) for n, entry in enumerate(entries, start=1))


def experiments_of(name: str, overrides: Sequence[str]) -> tuple[Typed, ...]:
    """The experiments that a name and overrides stand for: those of a study, or that one.

    Overrides go over every experiment of a study; those of a task only over those that have it.

    Raises:
        InputError: it is a study, and not a good one, or an override is of none of its tasks.
    """
    study = read_study(name)
    if study is None:
        return (Typed(name, tuple(overrides)),)
    of_tasks = {override: tasks for override in overrides if (tasks := _tasks_of(override))}
    everywhere = [override for override in overrides if override not in of_tasks]
    found = []
    known: dict[str, None] = {}
    for each in study:
        typed = Typed(each.experiment, (*each.overrides, *everywhere))
        with named_with(name, typed):
            data_sets = data_sets_of(_table(typed.experiment, typed.overrides))
        known |= dict.fromkeys(data_sets)
        own = [each for each in overrides if of_tasks.get(each, set()) & set(data_sets)]
        found.append(Typed(typed.experiment, (*typed.overrides, *own)))
    for tasks in of_tasks.values():
        if not tasks & set(known):
            raise InputError(
                f"task.{min(tasks)} is set, but the tasks of the study are {', '.join(known)}"
            )
    return tuple(found)


@contextmanager
def named_with(study: str, typed: Typed) -> Iterator[None]:
    """Puts the names of a study and of one of its experiments before what is refused of it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{study}, {typed}: {error}") from error


def _tasks_of(override: str) -> set[str]:
    tasks = parse_overrides([override]).get("task")
    return set(tasks) if isinstance(tasks, dict) else set()


def _entry(path: Path, number: int, entry: Any) -> Typed:
    if not isinstance(entry, dict) or set(entry) - {"preset", "set"} or "preset" not in entry:
        raise InputError(
            f'{path}: experiment {number} is {entry!r}, expected preset = "cifar" and, if need '
            'be, set = ["search.rmp=0.1"]'
        )
    preset, overrides = entry["preset"], entry.get("set", [])
    if not isinstance(preset, str):
        raise InputError(f"{path}: preset of experiment {number} is {preset!r}, expected text")
    if not isinstance(overrides, list) or not all(isinstance(o, str) for o in overrides):
        raise InputError(
            f"{path}: set of experiment {number} is {overrides!r}, expected a list of "
            '"section.setting=value"'
        )
    beside = path.parent / preset
    is_file = preset.endswith(".toml") and beside.is_file()
    return Typed(str(beside) if is_file else preset, tuple(overrides))
