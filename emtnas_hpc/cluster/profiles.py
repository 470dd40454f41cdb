"""Which profile holds: the shipped default, under a profile of the site, under what was typed."""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emtnas_hpc.cluster.profile import FIELDS, Profile, known_fields, validate_profile
from emtnas_hpc.errors import InputError

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
    """

    profile: Profile
    origins: Mapping[str, str]
    filled: tuple[str, ...] = ()
    source: str = ""

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
    return _at_home(os.environ.get("EMTNAS_PROFILES") or "slurm")


def _at_home(typed: str) -> Path:
    # One of nobody that is known stays as it was typed.
    return Path(os.path.expanduser(typed))  # noqa: PTH111


def profile_files() -> Mapping[str, Path]:
    """All profiles by name; one of the user's goes before a shipped one of that name."""
    folders = (shipped_directory(), user_directory())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def default_layer() -> Layer:
    """What holds where nothing else is said."""
    return Layer(_read(shipped_directory() / "default.toml"), SHIPPED_DEFAULT)


def named_layer(name: str) -> Layer:
    """The profile of that name, or of that TOML file.

    Raises:
        InputError: there is none, or it is not TOML.
    """
    known = profile_files()
    path = _at_home(name) if name.endswith(".toml") else known.get(name)
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
    return Layer(_read(path), _shown(path))


def layer_of_partition(partition: str) -> Layer | None:
    """The one profile whose partition it is; None where none is.

    Raises:
        InputError: several are, or one cannot be read.
    """
    tables = {path: _read(path) for path in profile_files().values()}
    found = [path for path, table in tables.items() if table.get("partition") == partition]
    if len(found) > 1:
        raise InputError(
            f"partition {partition} is that of {' and '.join(map(_shown, found))}; "
            "say which with --profile"
        )
    return Layer(tables[found[0]], _shown(found[0])) if found else None


def stack(layers: Sequence[Layer]) -> Resolved:
    """The profile of these layers; a later one goes over an earlier one, value by value.

    Raises:
        InputError: a value is unknown or cannot be used.
    """
    table: dict[str, Any] = {}
    options: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        checked = validate_profile(layer.values, layer.origin)
        table |= {name: getattr(checked, name) for name in layer.values if name != "sbatch"}
        options |= checked.sbatch
        origins |= {name: layer.origin for name in layer.values if name != "sbatch"}
        origins |= {f"sbatch.{name}": layer.origin for name in checked.sbatch}
    return Resolved(Profile(**table, sbatch=options), origins)


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
    layers = [Layer(*_sbatch_values(text)) for text in sbatch]
    for name, value in (("partition", partition), ("time", time), ("gpus", gpus)):
        if value not in ("", None):
            layers.append(Layer({name: value}, f"--{name}"))
    return layers


def _sbatch_values(text: str) -> tuple[dict[str, Any], str]:
    origin = "--sbatch"
    name, equals, value = text.strip().lstrip("-").partition("=")
    name = name.replace("_", "-")
    if not name:
        raise InputError(f"--sbatch is {text!r}, expected an option of sbatch such as qos=long")
    known = FIELDS.get(name, name.replace("-", "_"))
    if known not in known_fields() or known == "sbatch":
        return {"sbatch": {name: value if equals else True}}, origin
    if known == "setup":
        raise InputError("--sbatch setup=... is no option of sbatch; write it into a profile")
    if not equals:
        raise InputError(f"--sbatch is {text!r}, expected a value too: --sbatch {name}=VALUE")
    return {known: _as_field(known, value, text)}, origin


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


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _shown(path: Path) -> str:
    """The shipped ones by name: where they lie says nothing to a user."""
    if path.resolve().parent == shipped_directory().resolve() != user_directory().resolve():
        return f"the shipped {path.name}"
    return str(path)
