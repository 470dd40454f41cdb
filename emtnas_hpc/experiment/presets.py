"""Where presets are: `configs/` of the installed package, or of a checkout."""

import tomllib
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError

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


def read_preset(experiment: str) -> Table:
    """The table of a preset, or of a TOML file, with those that it `extends` merged below it.

    Raises:
        InputError: there is no such preset or file, or it is not TOML.
    """
    path = _find(experiment)
    table = _parse(path)
    name = table.setdefault("name", path.stem)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or base not in preset_names() or base == path.stem:
        raise InputError(f"{path}: extends is {base!r}, expected the name of another preset")
    return merge(read_preset(base), table | {"name": name})


def merge(base: Table, over: Table) -> Table:
    """`base` with the values of `over` in place of its own, table by table."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _find(experiment: str) -> Path:
    preset = preset_directory() / f"{experiment}.toml"
    if "/" not in experiment and preset.is_file():
        return preset
    path = Path(experiment)
    if path.suffix == ".toml" and path.is_file():
        return path
    known = ", ".join(preset_names())
    raise InputError(f"no preset or TOML file {experiment!r}; presets are: {known}")


def _parse(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
