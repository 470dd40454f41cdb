"""From a preset's name and overrides to a validated experiment, or one clear line why not."""

import os
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment, TaskSettings
from emtnas_hpc.settings.messages import at_home, explain, read_toml
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
        registry: what is known of each data set; an experiment's own `[task.NAME]` goes over it.

    Raises:
        InputError: anything unknown, of the wrong type, or out of range; the message names the
            setting, what was found and what is expected.
    """
    over = parse_overrides(overrides)
    return build_experiment(overlay(read_preset(experiment), over), registry)


def parse_overrides(overrides: Sequence[str]) -> Table:
    """Overrides of the form `section.setting=value` as one table; the last of two counts.

    Raises:
        InputError: one of them has another form.
    """
    over: Table = {}
    for override in overrides:
        over = merge(over, _parse_override(override))
    return over


def data_sets_named(experiment: str, overrides: Sequence[str]) -> tuple[str, ...]:
    """The data sets that an experiment names, those of transfers too, before it is validated.

    Raises:
        InputError: there is no such experiment, or an override has no form.
    """
    return data_sets_of(overlay(read_preset(experiment), parse_overrides(overrides)))


def retraining_experiment(
    experiment: Experiment,
    overrides: Sequence[str] = (),
    *,
    recipe: str | None = None,
    targets: Sequence[str],
    registry: Mapping[str, TaskSettings],
) -> Experiment:
    """What a retraining is told: the settings of a run's experiment with others put over them.

    Args:
        experiment: of the run.
        overrides: as in `load_experiment`, of `retraining` and of the targets' images only.
        recipe: in place of the run's, with none of the values that the run had put over that.
        targets: the data sets to train on, whether the run has searched for them or not.
        registry: what is known of each data set.

    Raises:
        InputError: as `load_experiment`; or an override belongs to the search.
    """
    over = parse_overrides(overrides)
    for section in sorted(set(over) - {"retraining", "task"}):
        raise InputError(
            f"--set has {section}, expected settings of retraining and of task: "
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
            "--set has retraining.transfer, which is for a run; --on names a data set to train on"
        )
    # What to train on is said by the targets.
    table["retraining"]["transfer"] = []
    if isinstance(given, dict) and "recipe" in given:
        of_recipe = {"recipe", "origin", *RECIPE_SETTINGS}
        table["retraining"] = {
            setting: value
            for setting, value in table["retraining"].items()
            if setting not in of_recipe
        }
    # It is no search: its population is whatever is allowed.
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
    _refuse_unknown_tasks(set(given) - set(data_sets), data_sets)
    return validate(with_recipe(table) | {"task": task})


def validate(table: Table) -> Experiment:
    """Validates a table that is complete."""
    try:
        experiment = Experiment.model_validate(_with_tuples(table))
    except ValidationError as error:
        raise InputError(explain(error)) from None
    _check_together(experiment)
    return experiment


def _parse_override(override: str) -> Table:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set is {override!r}, expected section.setting=value")
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


def _refuse_unknown_tasks(strangers: set[str], tasks: Sequence[str]) -> None:
    if strangers:
        stranger = min(strangers)
        raise InputError(f"task.{stranger} is set, but the tasks are {', '.join(tasks)}")


def _check_together(experiment: Experiment) -> None:
    n_tasks, population = len(experiment.tasks), experiment.search.population
    if len(set(experiment.tasks)) < n_tasks:
        raise InputError(f"tasks is {list(experiment.tasks)}, expected every data set once")
    if population < n_tasks:
        raise InputError(
            f"search.population is {population}, expected at least one individual for each of the "
            f"{n_tasks} tasks"
        )
    if experiment.search.strategy == "random" and experiment.search.reevaluate:
        raise InputError(
            "search.reevaluate is true, expected false where search.strategy is 'random': there is "
            "no parent whose fitness a child's could be damped toward"
        )
    missing = [name for name in experiment.data_sets if name not in experiment.task]
    if missing:
        raise InputError(f"task.{missing[0]} is missing, expected the settings of its images")
    transfer = experiment.retraining.transfer
    if len(set(transfer)) < len(transfer):
        raise InputError(f"retraining.transfer is {list(transfer)}, expected every data set once")
    normal_cells = experiment.retraining.normal_cells
    if len(set(normal_cells)) < len(normal_cells):
        raise InputError(
            f"retraining.normal_cells is {list(normal_cells)}, expected every number once"
        )


def _with_tuples(value: Any) -> Any:
    """TOML has lists where the frozen settings hold tuples."""
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    return value


@dataclass(frozen=True)
class Typed:
    """An experiment as one types it.

    Attributes:
        experiment: a preset's name or the path of a TOML file.
        overrides: of its settings.
    """

    experiment: str
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What one types, words quoted for a shell."""
        return shlex.join(self.words)

    @property
    def words(self) -> list[str]:
        """What one types, word by word."""
        return [self.experiment, *(word for o in self.overrides for word in ("--set", o))]


def read_study(name: str) -> tuple[Typed, ...] | None:
    """The experiments of a study; None for whatever else has this name.

    Args:
        name: of a study that is shipped, or the path of a TOML file with `[[experiments]]`.

    Raises:
        InputError: it is a study, and not a good one.
    """
    path = _find_study(name)
    if path is None:
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
    """What a name and overrides mean: the experiments of a study, or that one experiment.

    Overrides go over every experiment of a study; those of a task only over those that have it.

    Raises:
        InputError: it is a study, and not a good one, or an override is of none of its tasks.
    """
    study = read_study(name)
    if study is None:
        return (Typed(name, tuple(overrides)),)
    everywhere = [override for override in overrides if not _tasks_of(override)]
    plain = [Typed(each.experiment, (*each.overrides, *everywhere)) for each in study]
    tasks = [_data_sets_named(name, each) for each in plain]
    _refuse_strangers(overrides, list(dict.fromkeys(task for some in tasks for task in some)))
    return tuple(
        Typed(each.experiment, (*each.overrides, *_about(overrides, own)))
        for each, own in zip(plain, tasks, strict=True)
    )


@contextmanager
def named_with(study: str, typed: Typed) -> Iterator[None]:
    """What is refused of one experiment of a study is told with the names of both."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{study}, {typed}: {error}") from error


def _data_sets_named(study: str, typed: Typed) -> tuple[str, ...]:
    with named_with(study, typed):
        return data_sets_named(typed.experiment, typed.overrides)


def _about(overrides: Iterable[str], tasks: Sequence[str]) -> list[str]:
    """Those overrides that are of one of these tasks."""
    return [override for override in overrides if _tasks_of(override) & set(tasks)]


def _refuse_strangers(overrides: Iterable[str], tasks: Sequence[str]) -> None:
    for override in overrides:
        if (of := _tasks_of(override)) and not of & set(tasks):
            raise InputError(
                f"task.{min(of)} is set, but the tasks of the study are {', '.join(tasks)}"
            )


def _tasks_of(override: str) -> set[str]:
    """The tasks that an override is of; none for one of other settings."""
    tasks = parse_overrides([override]).get("task")
    return set(tasks) if isinstance(tasks, dict) else set()


def _find_study(name: str) -> Path | None:
    if name in study_names():
        return study_path(name)
    path = at_home(name)
    # One that may not be read is refused by whoever reads it as an experiment.
    is_file = name not in preset_names() and path.suffix == ".toml" and os.path.isfile(path)  # noqa: PTH113
    return path if is_file else None


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
