"""Validates settings and reads their files; says in one line what is wrong with them."""

import codecs
import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment

Schema = dict[str, Any]

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "object": "a table",
}


def validate(table: dict[str, Any]) -> Experiment:
    """The experiment of a table that is complete.

    Raises:
        InputError: naming a setting, what was found and what is expected.
    """
    try:
        experiment = Experiment.model_validate(_with_tuples(table))
    except ValidationError as error:
        raise InputError(_explain(error)) from None
    n_tasks, population = len(experiment.tasks), experiment.search.population
    if len(set(experiment.tasks)) < n_tasks:
        raise InputError(f"tasks is {list(experiment.tasks)}, expected every data set once")
    if population < n_tasks:
        raise InputError(
            f"search.population is {population}, expected at least one individual for each of the "
            f"{n_tasks} tasks"
        )
    if experiment.search.strategy == "random" and experiment.search.reevaluate:
        raise InputError(
            "search.reevaluate is true, expected false where search.strategy is 'random': there is "
            "no parent whose fitness a child's could be damped toward"
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
    return experiment


def _with_tuples(value: Any) -> Any:
    # TOML has lists where the frozen settings hold tuples.
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_with_tuples(item) for item in value)
    return value


def first_finding(error: ValidationError) -> str:
    """What a file of our own making has wrong, in a validator's words."""
    finding = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, finding['loc']))}: {finding['msg']}"


def _explain(error: ValidationError) -> str:
    """The first finding as one line."""
    finding = error.errors(include_url=False)[0]
    path = [str(part) for part in finding["loc"]]
    if finding["type"] == "extra_forbidden":
        return _unknown_setting(".".join([*path, *_first_keys(finding["input"])]))
    if finding["type"] == "missing":
        name = ".".join(path)
        return f"{name} is missing; set it in the TOML file or with --set {name}=..."
    name, schema = _look_up(path)
    expected = describe(schema)
    if finding["type"] == "finite_number":
        expected = expected.replace("a number", "a finite number")
    value = finding["input"]
    if isinstance(value, bool):
        found = str(value).lower()
    else:
        found = repr(list(value) if isinstance(value, tuple) else value)
    return f"{name} is {found}, expected {expected}"


def describe(schema: Schema) -> str:
    """What a JSON schema allows, in words: the type and its whole range."""
    schema = _resolve(schema)
    if "anyOf" in schema:
        return _any_of([describe(option) for option in schema["anyOf"]])
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return _any_of([repr(value) for value in schema["enum"]])
    if schema["type"] == "array":
        least = " with at least one entry" if schema.get("minItems") else ""
        return f"a list{least}, each {describe(schema['items'])}"
    if "pattern" in schema:
        return (
            f"at most {schema['maxLength']} letters, digits and _ . + = , - that begin with a "
            "letter or digit"
        )
    return _TYPES[schema["type"]] + _range(schema)


def settings_schema(schema: Schema | None = None, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every setting's dotted name with its schema; a task's are those of `task.NAME`."""
    for name, below in (schema or Experiment.model_json_schema())["properties"].items():
        inner = _resolve(below)
        if inner.get("additionalProperties"):
            yield from settings_schema(
                _resolve(inner["additionalProperties"]), f"{prefix}{name}.NAME."
            )
        elif "properties" in inner:
            yield from settings_schema(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, below


def _look_up(path: list[str]) -> tuple[str, Schema]:
    """The setting that a validator's path leads to; what it adds behind a union is dropped."""
    schema, names = Experiment.model_json_schema(), []
    for part in path:
        schema = _resolve(schema)
        if part in schema.get("properties", {}):
            schema = schema["properties"][part]
        elif isinstance(schema.get("additionalProperties"), dict):
            schema = schema["additionalProperties"]
        elif part.isdigit() and "items" in schema:
            schema = schema["items"]
        else:
            break
        names.append(part)
    return ".".join(names), schema


def _resolve(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definitions: dict[str, Schema] = Experiment.model_json_schema()["$defs"]
    return definitions[reference.rpartition("/")[2]]


def _any_of(options: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(options[:-1]), options[-1])))


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    lower = f" of at least {low}" if low is not None else ""
    lower = f" above {above}" if above is not None else lower
    return lower + (f" and below {below}" if below is not None else "")


def _first_keys(value: Any) -> Iterator[str]:
    """The way to the first setting of a table: it tells more than an unknown section."""
    while isinstance(value, dict) and value:
        key, value = next(iter(value.items()))
        yield str(key)


def _unknown_setting(name: str) -> str:
    known = [setting for setting, _schema in settings_schema()]
    if name.startswith("task."):
        known = [setting.replace("NAME", name.split(".")[1]) for setting in known]
    last = name.rpartition(".")[2]
    close = [setting for setting in known if setting.rpartition(".")[2] == last]
    close = close or difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {' or '.join(close)}?" if close else "docs/settings.md lists them"
    return f"unknown setting {name}; {hint}"


#: Byte order marks, the longer ones first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_LINE = re.compile(r"\s*([\w.\"'-]+)\s*=\s*(.*?)\s*(?:#.*)?")
#: Quotes as a word processor sets them; TOML knows the plain ones only.
_CURLY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"


def at_home(typed: str | Path) -> Path:
    """A path with the user's home for a leading `~`, which no shell replaces in files or options.

    The `~name` of an unknown user stays as it is.
    """
    return Path(os.path.expanduser(typed))  # noqa: PTH111 - pathlib's raises for an unknown user


def read_text(path: Path, what: str = "", kind: str = "text") -> str:
    """The text of a file that a user gives; a byte order mark says how it is written.

    `what` is its name in messages, by default the path; `kind` is the expected content.

    Raises:
        InputError: it cannot be read, or is no text.
    """
    name = what or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None
    mark, encoding = next((each for each in _MARKS if data.startswith(each[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        n_line = data[: len(mark) + error.start].count(b"\n") + 1
        reason = f"line {n_line} is not {encoding.upper()}"
        raise InputError(f"{name} is not valid {kind}: {reason}; save it as UTF-8") from None
    if "\0" in text or (mark and not text):
        reason = "there are zero bytes in it" if text else "there is only a byte order mark in it"
        raise InputError(f"{name} is not valid {kind}: {reason}; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file; dates and times, which no setting is, are refused.

    Raises:
        InputError: it cannot be read as one; the message names the line.
    """
    text = read_text(path, kind="TOML")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_explain_toml(path, text, str(error))) from None
    for name, value in _moments(table):
        begins = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
        numbered = enumerate(text.split("\n"), start=1)
        where = next((f", line {n}" for n, line in numbered if begins.match(line)), "")
        raise InputError(
            f"{path}{where}: {name} is a date or time without quotes; "
            f'write {name} = "{value.isoformat()}"'
        )
    return table


def _explain_toml(path: Path, text: str, error: str) -> str:
    """What is wrong with TOML; where quotes are missing or wrong, the line with good ones."""
    lines = text.split("\n")
    at = _AT_LINE.search(error)
    n_line = int(at[1]) if at else len(lines)
    error = error.replace("(at end of document)", f"(at the end, line {n_line})")
    reason = f"{path} is not valid TOML: {error}"
    line = lines[n_line - 1] if 0 < n_line <= len(lines) else ""
    if "\\" in line and '"' in line:
        return f"{reason}; in double quotes \\ is a sign of TOML's: write / or single quotes"
    match = _LINE.fullmatch(line)
    if match is None:
        return reason
    key, value = match[1], match[2]
    bare = value.strip(_CURLY)
    is_word = bool(bare) and not set(bare) & set("\"'[]{}=,\\")
    is_word = is_word and not bare.isdecimal() and not _is_value(bare)
    return f'{reason}; text needs quotes: {key} = "{bare}"' if is_word or bare != value else reason


def _is_value(text: str) -> bool:
    try:
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return False
    return True


def _moments(value: Any, name: str = "") -> Iterator[tuple[str, date | time]]:
    """The dates and times of a table, by the last part of their names."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _moments(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from _moments(below, name)
    elif isinstance(value, (date, time)):
        yield name, value
