"""Where presets are: `configs/` of the installed package, or of a checkout."""

import difflib
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

    The file may be a run's experiment.toml: its settings are complete.

    Raises:
        InputError: there is no such preset or file, or it is not TOML.
    """
    path = _find(experiment)
    table = _settings(read_toml(path))
    name = table.setdefault("name", path.stem)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or base not in preset_names() or _preset(base) == path:
        raise InputError(f"{path}: extends is {base!r}, expected the name of another preset")
    return overlay(read_preset(base), table | {"name": name})


def overlay(base: Table, over: Table) -> Table:
    """`base` with the values of `over`, and without its tables for tasks that `over` drops."""
    tasks, tables = over.get("tasks"), base.get("task")
    if isinstance(tasks, list) and isinstance(tables, dict):
        base = base | {"task": {name: tables[name] for name in tables if name in tasks}}
    return merge(base, over)


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
    path = Path(experiment)
    if path.suffix == ".toml" and path.exists():
        return path
    close = difflib.get_close_matches(experiment, preset_names(), n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(
        f"no preset or TOML file {experiment!r}; {hint}docs/settings.md lists the presets"
    )


def _preset(name: str) -> Path:
    return preset_directory() / f"{name}.toml"


def _settings(table: Table) -> Table:
    within = table.get("experiment")
    return within if isinstance(within, dict) and "signatures" in table else table


def read_toml(path: Path) -> Table:
    """The table of a TOML file.

    Raises:
        InputError: it cannot be read as one.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
