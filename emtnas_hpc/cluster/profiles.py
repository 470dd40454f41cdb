"""Which profile holds: the shipped default, under a profile of the site, under what was typed."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emtnas_hpc.cluster.profile import (
    FIELDS,
    MEMORY_OPTIONS,
    Profile,
    is_all_memory,
    known_fields,
    validate_profile,
)
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment.text import at_home, read_toml

_PACKAGE = Path(__file__).parents[1]

SHIPPED_DEFAULT = "the shipped default"
UNITS_MB = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True)
class Layer:
    """Some values of a profile, and where they are from."""

    values: Mapping[str, Any]
    origin: str


@dataclass(frozen=True)
class Resolved:
    """A profile, and the origin of each of its values.

    Attributes:
        profile: what holds.
        origins: by name of the value, those of sbatch options as `sbatch.NAME`.
        filled: values that nobody asked for, and that follow from the partition.
        source: the profile of the site that holds; empty where none does.
        remarks: what went over what, and what SLURM's commands printed besides, in single lines.
    """

    profile: Profile
    origins: Mapping[str, str]
    filled: tuple[str, ...] = ()
    source: str = ""
    remarks: tuple[str, ...] = ()

    def with_value(self, name: str, value: object, origin: str) -> "Resolved":
        """The same with another value."""
        profile = self.profile.model_copy(update={name: value})
        return replace(self, profile=profile, origins={**self.origins, name: origin})


def shipped_directory() -> Path:
    """The folder of the shipped profiles; an editable install finds that of its checkout."""
    installed = _PACKAGE / "slurm"
    return installed if installed.is_dir() else _PACKAGE.parent / "slurm"


def user_directory() -> Path:
    """The folder of the user's profiles, which need not exist."""
    return at_home(os.environ.get("EMTNAS_PROFILES") or "slurm")


def profile_files() -> Mapping[str, Path]:
    """All profiles by name; one of the user's goes before a shipped one of that name."""
    folders = (shipped_directory(), user_directory())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def default_layer() -> Layer:
    """What holds where nothing else is said."""
    return Layer(read_toml(shipped_directory() / "default.toml"), SHIPPED_DEFAULT)


def named_layer(name: str) -> Layer:
    """The profile of that name, or of that TOML file.

    Raises:
        InputError: there is none, or it is not TOML.
    """
    known = profile_files()
    path = at_home(name) if name.endswith(".toml") else known.get(name)
    if path is None or not os.path.isfile(path):  # noqa: PTH113 - a Path's own may raise
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        looked = "" if path is None else f", looked for {path.absolute()}"
        raise InputError(
            f"no profile or TOML file {name!r}{looked}; {hint}profiles are: "
            f"{', '.join(known) or 'none'} "
            f"(yours are looked for in {user_directory()}; one to copy is "
            f"{shipped_directory() / 'example-2080ti.toml'})"
        )
    return _layer(read_toml(path), _shown(path))


def layer_of_partition(partition: str) -> Layer | None:
    """The one profile whose partition it is; None where none is.

    Raises:
        InputError: several are, or one cannot be read.
    """
    tables = {path: read_toml(path) for path in profile_files().values()}
    found = [path for path, table in tables.items() if table.get("partition") == partition]
    if len(found) > 1:
        raise InputError(
            f"partition {partition} is that of {' and '.join(map(_shown, found))}; "
            "say which with --profile"
        )
    return _layer(tables[found[0]], _shown(found[0])) if found else None


def stack(layers: Sequence[Layer]) -> Resolved:
    """The profile of these layers; a later one goes over an earlier one, value by value.

    Raises:
        InputError: a value is unknown or cannot be used.
    """
    table: dict[str, Any] = {}
    options: dict[str, Any] = {}
    origins: dict[str, str] = {}
    remarks: list[str] = []
    for layer in layers:
        checked = validate_profile(layer.values, layer.origin)
        if ways := _ways(layer.values, checked):
            given_up = _give_way(options, origins)
            remarks += [f"{ways[-1]} ({layer.origin}) goes over {way}" for way in given_up]
        table |= {name: getattr(checked, name) for name in layer.values if name != "sbatch"}
        options |= checked.sbatch
        origins |= {name: layer.origin for name in layer.values if name != "sbatch"}
        origins |= {f"sbatch.{name}": layer.origin for name in checked.sbatch}
        if asked := checked.memory_options:
            table["memory_gb"] = 0.0
            origins["memory_gb"] = f"asked for by sbatch.{asked[0]} instead"
    return Resolved(Profile(**table, sbatch=options), origins, remarks=tuple(remarks))


def _layer(values: Mapping[str, Any], origin: str) -> Layer:
    """What somebody wrote or typed.

    Raises:
        InputError: it asks for memory in two ways.
    """
    ways = _ways(values, validate_profile(values, origin))
    if len(ways) > 1:
        raise InputError(
            f"{origin}: {ways[0]} and {ways[1]} both ask for memory, and sbatch takes one of "
            "them; leave one out"
        )
    return Layer(values, origin)


def _ways(values: Mapping[str, Any], checked: Profile) -> list[str]:
    """The values of a layer that ask for memory; 0 GB is one only where it is alone."""
    options = [f"sbatch.{name}" for name in checked.memory_options]
    is_asked = "memory_gb" in values and (checked.memory_gb or not options)
    return ["memory_gb"] * bool(is_asked) + options


def _give_way(options: dict[str, Any], origins: dict[str, str]) -> list[str]:
    """Takes away how earlier layers ask for memory; returns those that somebody asked for."""
    for name in MEMORY_OPTIONS:
        options.pop(name, None)
    ways = ("memory_gb", *(f"sbatch.{name}" for name in MEMORY_OPTIONS))
    given_up = {way: origins.pop(way) for way in ways if way in origins}
    if len(given_up) > 1:
        given_up.pop("memory_gb", None)
    return [f"{way} ({origin})" for way, origin in given_up.items() if origin != SHIPPED_DEFAULT]


def typed_layers(partition: str, time: str, gpus: int | None, sbatch: Sequence[str]) -> list[Layer]:
    """What was typed as layers, each with the option that it was typed with.

    Args:
        partition: of `--partition`, empty if not given.
        time: of `--time`, likewise.
        gpus: of `--gpus`.
        sbatch: of `--sbatch`, each NAME=VALUE, or NAME alone for an option without a value.

    Raises:
        InputError: one cannot be understood.
    """
    values: dict[str, Any] = {}
    for text in sbatch:
        typed = _sbatch_values(text)
        options = {**values.get("sbatch", {}), **typed.pop("sbatch", {})}
        values |= {**typed, "sbatch": options}
    layers = [_layer(values, "--sbatch")] if sbatch else []
    for name, value in (("partition", partition), ("time", time), ("gpus", gpus)):
        if value not in ("", None):
            layers.append(Layer({name: value}, f"--{name}"))
    return layers


def _sbatch_values(text: str) -> dict[str, Any]:
    name, equals, value = text.strip().lstrip("-").partition("=")
    name = name.replace("_", "-")
    if not name:
        raise InputError(f"--sbatch is {text!r}, expected an option of sbatch such as qos=long")
    if name == "mem" and is_all_memory(value):
        return {"sbatch": {name: value}}
    known = FIELDS.get(name, name.replace("-", "_"))
    if known not in known_fields() or known == "sbatch":
        return {"sbatch": {name: value if equals else True}}
    if known == "setup":
        raise InputError("--sbatch setup=... is no option of sbatch; write it into a profile")
    if not equals:
        raise InputError(f"--sbatch is {text!r}, expected a value too: --sbatch {name}=VALUE")
    return {known: _as_field(known, value, text)}


def _as_field(field_: str, value: str, text: str) -> object:
    try:
        if field_ == "memory_gb":
            return _gigabytes(value)
        kind = Profile.model_fields[field_].annotation
        return int(value) if kind is int and field_ != "time" else value
    except ValueError:
        raise InputError(f"--sbatch is {text!r}, expected a number there") from None


def _gigabytes(text: str) -> float:
    """SLURM counts in MB where no unit is given."""
    number = text.upper().removesuffix("B")
    unit = number[-1:] if number[-1:] in UNITS_MB else ""
    return float(number.removesuffix(unit)) * UNITS_MB[unit or "M"] / 1024


def _shown(path: Path) -> str:
    """The shipped ones by name: where they lie says nothing to a user."""
    if path.resolve().parent == shipped_directory().resolve() != user_directory().resolve():
        return f"the shipped {path.name}"
    return str(path)
