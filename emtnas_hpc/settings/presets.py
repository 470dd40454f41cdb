"""Presets and recipes: the TOML files of `configs/`."""

import difflib
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import RetrainingSettings
from emtnas_hpc.settings.messages import at_home, read_toml

_PACKAGE = Path(__file__).parents[1]

#: One table of a TOML file, not yet validated.
Table = dict[str, Any]


def preset_directory() -> Path:
    """The folder of the presets; an editable install has it in its checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in preset_directory().glob("*.toml"))


def study_names() -> list[str]:
    """Names of all studies, sorted; a study is several experiments."""
    return sorted(path.stem for path in (preset_directory() / "studies").glob("*.toml"))


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
    table = read_toml(path)
    if "signatures" in table and isinstance(table.get("experiment"), dict):
        table = table["experiment"]
    if "experiments" in table:
        raise InputError(
            f"{experiment} is a study, expected one experiment; its experiments are: "
            f"{', '.join(_typed(table['experiments']))}"
        )
    name = table.setdefault("name", path.stem)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or base not in preset_names() or _preset_path(base) == path:
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
    """The data sets that a table names, its tasks first; values of a wrong type are passed over."""
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
        return _preset_path(experiment)
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


def _preset_path(name: str) -> Path:
    return preset_directory() / f"{name}.toml"


def _typed(experiments: object) -> Iterator[str]:
    """The experiments of a study as a user types them; what is wrong there is passed over."""
    for each in experiments if isinstance(experiments, list) else []:
        if isinstance(each, dict):
            overrides = each.get("set")
            given = overrides if isinstance(overrides, list) else []
            yield shlex.join(words_of(str(each.get("preset")), map(str, given)))


def words_of(experiment: str, overrides: Iterable[str]) -> list[str]:
    """An experiment and its overrides as words of the command line."""
    return [experiment, *(word for override in overrides for word in ("--set", override))]


#: The settings that a recipe has and that can change a result, in their order.
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
    """The values of `RECIPE_SETTINGS` in a recipe; none for one that this version has not."""
    if name not in recipe_names():
        return {}
    settings = RetrainingSettings.model_validate(_read(name)).model_dump(mode="json")
    return {setting: settings[setting] for setting in RECIPE_SETTINGS if setting in settings}


def _read(name: str) -> Table:
    return read_toml(preset_directory() / "recipes" / f"{name}.toml")
