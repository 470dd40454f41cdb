"""Bit-for-bit comparison of two histories; wall-clock readings are the only licensed difference."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

#: Columns of wall-clock readings begin so; two identical runs differ in nothing else.
WALL_CLOCK_PREFIX = "seconds_"
#: What a run is called makes it no other search.
_NAME = "name"


def history_differences(a: Path, b: Path) -> Iterator[str]:
    """Names every attribute and data set in which two state.h5 differ, in alphabetical order."""
    with h5py.File(a, "r") as file_a, h5py.File(b, "r") as file_b:
        facts_a, facts_b = _facts(file_a), _facts(file_b)
        for name in sorted({*facts_a, *facts_b} - {_NAME}):
            if facts_a.get(name) != facts_b.get(name):
                yield f"{a.name}: {name} is {facts_a.get(name)} against {facts_b.get(name)}"
        sets_a, sets_b = _data_sets(file_a), _data_sets(file_b)
        for name in sorted({*sets_a, *sets_b}):
            if name.rpartition("/")[2].startswith(WALL_CLOCK_PREFIX):
                continue
            if name not in sets_a or name not in sets_b:
                yield f"{a.name}: {name} is in one of them only"
            elif difference := _first_difference(sets_a[name][()], sets_b[name][()]):
                yield f"{a.name}: {name}{difference}"


def _facts(file: h5py.File) -> dict[str, Any]:
    """The attributes, those of the header one by one."""
    attributes = {name: value for name, value in file.attrs.items() if name != "header"}
    return {**attributes, **json.loads(file.attrs["header"])}


def _data_sets(file: h5py.File) -> dict[str, h5py.Dataset]:
    return {
        f"{table}/{column}": dataset
        for table, group in file.items()
        for column, dataset in group.items()
    }


def _first_difference(a: np.ndarray, b: np.ndarray) -> str:
    if a.dtype != b.dtype or a.shape != b.shape:
        return f" is {a.dtype}{list(a.shape)} against {b.dtype}{list(b.shape)}"
    if a.tobytes() == b.tobytes():
        return ""
    flat_a, flat_b = np.atleast_1d(a).ravel(), np.atleast_1d(b).ravel()
    size = a.dtype.itemsize
    bytes_a = np.frombuffer(flat_a.tobytes(), np.uint8).reshape(-1, size)
    bytes_b = np.frombuffer(flat_b.tobytes(), np.uint8).reshape(-1, size)
    first = int(np.flatnonzero((bytes_a != bytes_b).any(axis=1))[0])
    index = ", ".join(str(i) for i in np.unravel_index(first, a.shape))
    return f"[{index}] is {flat_a[first]} against {flat_b[first]}"
