"""What a job asks SLURM for: typed, bounded, frozen. A TOML file holds what a site needs of it."""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emtnas_hpc.cluster.minutes import parse_limit
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment.explain import describe

#: A year; SLURM's own largest limit is of that order.
_LONGEST_MIN = 366 * 24 * 60

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
        gpus: of one job.
        gpu_type: SLURM's name of it; empty for any.
        cpus: of one job.
        memory_gb: of one job; 0 for no word on it, or where an option of sbatch has one.
        time: limit in minutes; 0 for as long as the partition allows, but not above 24 h.
        account: who pays; empty for the default.
        qos: quality of service; empty for the default.
        constraint: features of a node; empty for any.
        setup: lines of shell that run before the job.
        lead_time_s: how long before its limit a job is told to stop.
        spares: jobs that wait behind the first one; more than one where nodes may not submit.
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
    """Validates a table of a profile's values.

    Args:
        table: as TOML has it.
        origin: where it is from, for messages.

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
