"""What is wrong with a setting, in one line: its name, what was found, what is expected."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from emtnas_hpc.experiment.settings import Experiment

Schema = dict[str, Any]

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "object": "a table",
}


def explain(error: ValidationError) -> str:
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
    return f"{name} is {_show(finding['input'])}, expected {expected}"


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


def settings_schema() -> Iterator[tuple[str, Schema]]:
    """Every setting's dotted name with its schema; a task's are those of `task.NAME`."""
    yield from _walk(Experiment.model_json_schema(), "")


def _walk(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema]]:
    for name, below in schema["properties"].items():
        inner = _resolve(below)
        if "additionalProperties" in inner and inner["additionalProperties"] is not False:
            yield from _walk(_resolve(inner["additionalProperties"]), f"{prefix}{name}.NAME.")
        elif "properties" in inner:
            yield from _walk(inner, f"{prefix}{name}.")
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


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return repr(list(value))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _first_keys(value: Any) -> Iterator[str]:
    """Into a table: of an unknown section, the first setting in it tells more."""
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
