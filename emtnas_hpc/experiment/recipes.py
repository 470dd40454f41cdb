"""Recipes of retraining: `configs/recipes`, one file each, labelled with who proposed it."""

from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment.presets import Table, merge, preset_directory
from emtnas_hpc.experiment.settings import RetrainingSettings
from emtnas_hpc.experiment.text import read_toml

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
