"""Bit-for-bit comparison of two commits of a retraining."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emtnas_hpc.history.comparison import WALL_CLOCK_PREFIX
from emtnas_hpc.history.retraining import RECORD_NAME, read_retraining
from emtnas_hpc.retraining.stage import WEIGHTS_NAME
from emtnas_hpc.supernet.weights_comparison import weights_differences

#: What a run is called makes no retraining another one.
_NAMES = ("header.experiment",)


def retraining_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the readings and tensors in which two commits differ, what they are for first.

    Wall-clock readings may differ.

    Raises:
        DamagedError: a record or weights cannot be read.
    """
    facts_a, facts_b = (_facts(directory / RECORD_NAME) for directory in (a, b))
    for name in dict.fromkeys([*facts_a, *facts_b]):
        if facts_a.get(name) != facts_b.get(name):
            yield f"{RECORD_NAME}: {name} is {facts_a.get(name)} against {facts_b.get(name)}"
    yield from weights_differences(a / WEIGHTS_NAME, b / WEIGHTS_NAME)


def _facts(record: Path) -> dict[str, Any]:
    """Every reading by its dotted name, without those that may differ."""
    read_retraining(record)
    found = dict(_flatten(json.loads(record.read_text(encoding="utf-8")), ""))
    return {
        name: value
        for name, value in found.items()
        if not name.rpartition(".")[2].startswith(WALL_CLOCK_PREFIX) and name not in _NAMES
    }


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        value = dict(enumerate(value, 1))
    if not isinstance(value, dict):
        yield prefix.rstrip("."), value
        return
    for name, item in value.items():
        yield from _flatten(item, f"{prefix}{name}.")
