"""The profile: what a job asks SLURM for, from default, site and command line."""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.messages import at_home, describe, read_toml
from emtnas_hpc.slurm.slurm import parse_limit

#: A year; SLURM's own largest limit is of that order.
_LONGEST_MIN = 366 * 24 * 60

#: Of a short limit the lead time takes no more than this part, unless the user said so.
LEAD_PART = 4

#: sbatch options that a job here owes its survival to, or that make no sense for one process.
RESERVED = frozenset(
    {
        *("array", "clusters", "dependency", "error", "job-name", "no-requeue", "nodes", "ntasks"),
        *("ntasks-per-node", "open-mode", "output", "parsable", "quiet", "requeue", "signal"),
        *("test-only", "wait", "wrap"),
    }
)

#: sbatch options that have a field of their own.
FIELDS: Mapping[str, str] = {
    "partition": "partition",
    "time": "time",
    "mem": "memory_gb",
    "cpus-per-task": "cpus",
    "gpus": "gpus",
    "gpus-per-node": "gpus",
    "gpus-per-task": "gpus",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
}


#: sbatch options that ask for memory; it takes one of them at most, --mem included.
MEMORY_OPTIONS = ("mem", "mem-per-cpu", "mem-per-gpu")

#: `mem = 0` is all memory of a node, which no number of GB can say.
_ALL = re.compile(r"0+[KMGT]?B?", re.IGNORECASE)


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text on one line")
    return text


def _minutes(value: object) -> object:
    if isinstance(value, str):
        value = parse_limit(value)
    if type(value) is not int or not 0 <= value <= _LONGEST_MIN:
        raise ValueError("a time limit of at most a year, such as 90 (minutes), 24:00:00 or 1-12")
    return value


Line = Annotated[str, AfterValidator(_one_line)]
Minutes = Annotated[int, BeforeValidator(_minutes)]
Option = str | int | float | bool


def is_all_memory(value: object) -> bool:
    """Whether a value of --mem asks for all memory of a node, as 0 does."""
    return type(value) in (int, str) and bool(_ALL.fullmatch(str(value).strip()))


def _options(options: dict[str, Option]) -> dict[str, Option]:
    for name, value in options.items():
        if name == "mem" and is_all_memory(value):
            continue
        if name in FIELDS:
            raise ValueError(f"no {name} here: that is {FIELDS[name]} of the profile")
        if name in RESERVED:
            raise ValueError(f"no {name} here: a job sets it itself")
        if len(name) < 2 or not name.replace("-", "").isalnum() or name.startswith("-"):
            raise ValueError(f"long names of sbatch options without dashes before, not {name!r}")
        if isinstance(value, str):
            _one_line(value)
    return options


class Profile(BaseModel):
    """What a job asks for.

    Attributes:
        partition: or several, with commas between; empty for SLURM's default.
        gpu_type: SLURM's name of it; empty for any.
        memory_gb: of one job; 0 for no word on it, or where an option of sbatch has one.
        time: limit in minutes; 0 for as long as the partition allows, but not above 24 h.
        account: who pays; empty for the default.
        qos: quality of service; empty for the default.
        constraint: features of a node; empty for any.
        setup: lines of shell that run before the job.
        lead_time_s: how long before its limit a job is told to stop.
        spares: standby jobs behind the first job; more than one where nodes may not submit.
        sbatch: any other option of sbatch by its long name; true for one without a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    partition: Line = ""
    gpus: Annotated[int, Field(ge=0, le=64)] = 1
    gpu_type: Line = ""
    cpus: Annotated[int, Field(ge=1, le=1024)] = 4
    memory_gb: Annotated[float, Field(ge=0, le=100_000)] = 16
    time: Minutes = 0
    account: Line = ""
    qos: Line = ""
    constraint: Line = ""
    setup: Annotated[tuple[Line, ...], Field(strict=False)] = ()
    lead_time_s: Annotated[int, Field(ge=5, le=36_000)] = 120
    spares: Annotated[int, Field(ge=1, le=1000)] = 1
    sbatch: Annotated[dict[str, Option], AfterValidator(_options)] = {}

    @property
    def memory_mb(self) -> int:
        """SLURM counts so; 0 means all of a node to it, so that the least is 1."""
        return max(1, round(self.memory_gb * 1024)) if self.memory_gb else 0

    @property
    def memory_options(self) -> tuple[str, ...]:
        """Options of sbatch that ask for memory in the place of `memory_gb`."""
        return tuple(n for n in MEMORY_OPTIONS if self.sbatch.get(n, False) is not False)

    @property
    def gres(self) -> str:
        """The generic resources as SLURM writes them: GPUs, and what `sbatch.gres` adds."""
        gpus = ":".join(part for part in ("gpu", self.gpu_type, str(self.gpus)) if part)
        more = str(self.sbatch.get("gres", ""))
        return ",".join(part for part in (gpus if self.gpus else "", more) if part)


def validate_profile(table: Mapping[str, Any], origin: str) -> Profile:
    """Validates a table of a profile's values; messages name its origin.

    Raises:
        InputError: naming the value, what was found and what is expected.
    """
    try:
        return Profile.model_validate(dict(table))
    except ValidationError as error:
        raise InputError(f"{origin}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    finding = error.errors(include_url=False)[0]
    field = str(finding["loc"][0])
    if finding["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, Profile.model_fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are: {', '.join(known_fields())}"
        return f"unknown value {field}; {hint}"
    if finding["type"] == "value_error":
        found = f"{field} is {finding['input']!r}, " if field != "sbatch" else "sbatch: "
        return f"{found}expected {finding['ctx']['error']}"
    if field == "sbatch" and len(finding["loc"]) > 1:
        name = f"sbatch.{finding['loc'][1]}"
        return f"{name} is {finding['input']!r}, expected text, a number or true"
    schema = Profile.model_json_schema()["properties"][field]
    return f"{field} is {finding['input']!r}, expected {describe(schema)}"


def known_fields() -> list[str]:
    """All values that a profile may have, in order."""
    return list(Profile.model_fields)


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
        filled: values that the user did not give: they follow from the partition.
        source: the profile of the site that holds; empty where none does.
        remarks: what went over what, and what SLURM's commands printed besides, in single lines.
    """

    profile: Profile
    origins: Mapping[str, str]
    filled: tuple[str, ...] = ()
    source: str = ""
    remarks: tuple[str, ...] = ()

    def is_default(self, name: str) -> bool:
        """Whether nobody said more of a value than the shipped default."""
        return self.origins.get(name, SHIPPED_DEFAULT) == SHIPPED_DEFAULT

    def with_value(self, name: str, value: object, origin: str) -> "Resolved":
        """The same with another value."""
        profile = self.profile.model_copy(update={name: value})
        return replace(self, profile=profile, origins={**self.origins, name: origin})


def shipped_directory() -> Path:
    """The folder of the shipped profiles; an editable install finds that of its checkout."""
    # In a checkout this folder of the package holds only code.
    installed = _PACKAGE / "slurm"
    return installed if (installed / "default.toml").exists() else _PACKAGE.parent / "slurm"


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
        if ways := _memory_values(layer.values, checked):
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
    """A layer that a user wrote or typed.

    Raises:
        InputError: it asks for memory in two ways, or for GPUs past `gpus`.
    """
    checked = validate_profile(values, origin)
    # Not when a job reads what it was launched with: it would fail, with its GPUs there.
    gres = str(checked.sbatch.get("gres", ""))
    if any(part.strip().split(":")[0] == "gpu" for part in gres.split(",")):
        raise InputError(
            f"{origin}: sbatch.gres is {gres!r}, expected no GPUs there: they are gpus and "
            "gpu_type of the profile"
        )
    ways = _memory_values(values, checked)
    if len(ways) > 1:
        raise InputError(
            f"{origin}: {ways[0]} and {ways[1]} both ask for memory, and sbatch takes one of "
            "them; leave one out"
        )
    return Layer(values, origin)


def _memory_values(values: Mapping[str, Any], checked: Profile) -> list[str]:
    """The values of a layer that ask for memory; 0 GB is one only where it is alone."""
    options = [f"sbatch.{name}" for name in checked.memory_options]
    is_asked = "memory_gb" in values and (checked.memory_gb or not options)
    return ["memory_gb"] * bool(is_asked) + options


def _give_way(options: dict[str, Any], origins: dict[str, str]) -> list[str]:
    """Takes away how earlier layers ask for memory; returns those that the user asked for."""
    for name in MEMORY_OPTIONS:
        options.pop(name, None)
    ways = ("memory_gb", *(f"sbatch.{name}" for name in MEMORY_OPTIONS))
    given_up = {way: origins.pop(way) for way in ways if way in origins}
    if len(given_up) > 1:
        # Beside an option it is no wish: `stack` sets it to 0 then.
        given_up.pop("memory_gb", None)
    return [f"{way} ({origin})" for way, origin in given_up.items() if origin != SHIPPED_DEFAULT]


def typed_layers(partition: str, time: str, gpus: int | None, sbatch: Sequence[str]) -> list[Layer]:
    """What was typed as layers, each with the option that it was typed with.

    Each of `sbatch` is NAME=VALUE, or NAME alone for an option without a value.

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
        # Named, the default is no more than the default.
        return SHIPPED_DEFAULT if path.stem == "default" else f"the shipped {path.name}"
    return str(path)
