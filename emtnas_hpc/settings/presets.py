"""Presets and recipes: the TOML files of `configs/`."""

import difflib
import shlex
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import RetrainingSettings
from emtnas_hpc.settings.messages import at_home, read_toml

_PACKAGE = Path(__file__).parents[1]

#: One table of a TOML file, not yet validated.
Table = dict[str, Any]


def preset_directory() -> Path:
    """The folder of the presets; an editable install finds that of its checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in preset_directory().glob("*.toml"))


def study_names() -> list[str]:
    """Names of all studies, sorted; a study is several experiments."""
    return sorted(path.stem for path in study_path("").parent.glob("*.toml"))


def study_path(name: str) -> Path:
    """The file of the study of this name."""
    return preset_directory() / "studies" / f"{name}.toml"


def read_preset(experiment: str) -> Table:
    """The table of a preset, or of a TOML file, with those that it `extends` merged below it.

    The file may be a run's experiment.toml: its settings are complete.

    Raises:
        InputError: there is no such preset or file, it is not TOML, or it is a study.
    """
    path = _find(experiment)
    table = _settings(read_toml(path))
    if "experiments" in table:
        raise InputError(f"{experiment} is a study, expected one experiment; {_list(table)}")
    name = table.setdefault("name", path.stem)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or base not in preset_names() or _preset(base) == path:
        raise InputError(f"{path}: extends is {base!r}, expected the name of another preset")
    return overlay(read_preset(base), table | {"name": name})


def overlay(base: Table, over: Table) -> Table:
    """`base` with the values of `over`, and without its tables for data sets that `over` drops."""
    dropped = set(data_sets_of(base)) - set(data_sets_of(merge(base, over)))
    tables = base.get("task")
    if isinstance(tables, dict):
        base = base | {"task": {name: tables[name] for name in tables if name not in dropped}}
    return merge(base, over)


def data_sets_of(table: Table) -> tuple[str, ...]:
    """The data sets that a table names, its tasks first; not what is wrong there."""
    retraining = table.get("retraining")
    transfer = retraining.get("transfer") if isinstance(retraining, dict) else None
    lists = [names for names in (table.get("tasks"), transfer) if isinstance(names, list)]
    names = (name for some in lists for name in some if isinstance(name, str))
    return tuple(dict.fromkeys(names))


def merge(base: Table, over: Table) -> Table:
    """`base` with the values of `over` in place of its own, table by table."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _find(experiment: str) -> Path:
    if experiment in preset_names():
        return _preset(experiment)
    if experiment in study_names():
        return study_path(experiment)
    path = at_home(experiment)
    looked = ""
    if path.suffix == ".toml":
        try:
            if path.exists():
                return path
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        looked = f", looked for {path.absolute()}"
    close = difflib.get_close_matches(experiment, [*preset_names(), *study_names()], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(
        f"no preset, study or TOML file {experiment!r}{looked}; {hint}docs/settings.md lists what "
        "there is"
    )


def _preset(name: str) -> Path:
    return preset_directory() / f"{name}.toml"


def _list(study: Table) -> str:
    """What a study consists of, as one types it."""
    entries = study["experiments"]
    tables = (
        [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    )
    typed = [
        shlex.join([str(table.get("preset")), *_settings_of(table.get("set"))]) for table in tables
    ]
    return f"its experiments are: {', '.join(typed)}"


def _settings_of(overrides: object) -> list[str]:
    """As words of a command line; of what is no list, none."""
    given = overrides if isinstance(overrides, list) else []
    return [word for override in given for word in ("--set", str(override))]


def _settings(table: Table) -> Table:
    within = table.get("experiment")
    return within if isinstance(within, dict) and "signatures" in table else table


#: What a recipe says and what can change a result, in the order of the settings.
RECIPE_SETTINGS = tuple(
    name
    for name in RetrainingSettings.model_fields
    if name not in ("recipe", "origin", "normal_cells", "transfer", "data_workers")
)


def recipe_names() -> list[str]:
    """Names of all recipes, sorted."""
    return sorted(path.stem for path in (preset_directory() / "recipes").glob("*.toml"))


def with_recipe(table: Table) -> Table:
    """An experiment's table with its recipe's values below those that it gives itself.

    Raises:
        InputError: there is no such recipe.
    """
    given = table.get("retraining")
    if not isinstance(given, dict):
        return table
    name = given.get("recipe", RetrainingSettings().recipe)
    if name not in recipe_names():
        known = " or ".join(map(repr, recipe_names()))
        raise InputError(f"retraining.recipe is {name!r}, expected {known}")
    return table | {"retraining": merge(_read(name), given)}


def recipe_values(name: str) -> dict[str, Any]:
    """What a recipe says of `RECIPE_SETTINGS`; nothing, for one that this version has not."""
    if name not in recipe_names():
        return {}
    settings = RetrainingSettings.model_validate(_read(name)).model_dump(mode="json")
    return {setting: settings[setting] for setting in RECIPE_SETTINGS}


def _read(name: str) -> Table:
    return read_toml(preset_directory() / "recipes" / f"{name}.toml")
