"""From a preset's name and overrides to a validated experiment, or one clear line why not."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any

from pydantic import ValidationError

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment.explain import explain
from emtnas_hpc.experiment.presets import Table, data_sets_of, merge, overlay, read_preset
from emtnas_hpc.experiment.recipes import RECIPE_SETTINGS, with_recipe
from emtnas_hpc.experiment.settings import Experiment, TaskSettings


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
