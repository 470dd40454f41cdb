"""state.h5: the whole history of a search in one small file, under 2 MB for 300 generations."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.search.history import (
    WALL_CLOCK_PREFIX,
    Columns,
    History,
    generation_columns,
    header_of,
    header_values,
    history_of,
    individual_columns,
    population_columns,
)

SCHEMA_VERSION = 1


def write_history(history: History, path: Path) -> None:
    """Writes the history as a new file."""
    # Built in memory: HDF5 does not survive a full disk gracefully, one write of all bytes does.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["generation"] = history.generation
        file.attrs["name"] = history.header.name
        file.attrs["header"] = json.dumps(header_values(history.header))
        tables = {
            "individuals": individual_columns(history),
            "population": population_columns(history),
            "generations": generation_columns(history),
        }
        for table, columns in tables.items():
            group = file.create_group(table)
            for name, values in columns.items():
                group.create_dataset(name, data=values)
    path.write_bytes(buffer.getvalue())


def read_history(path: Path) -> History:
    """Reads a history back.

    Raises:
        DamagedError: the file is no history, or one of another schema.
        OSError: it cannot be opened.
    """
    try:
        with h5py.File(path, "r") as file:
            found = int(file.attrs["schema_version"])
            if found != SCHEMA_VERSION:
                raise DamagedError(
                    f"{path} has schema {found}, this version reads {SCHEMA_VERSION}; use the "
                    "version of emtnas-hpc that wrote it"
                )
            header = header_of(file.attrs["name"], json.loads(file.attrs["header"]))
            individuals, generations = map(_columns, (file["individuals"], file["generations"]))
            return history_of(header, individuals, generations)
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's refusal, which says nothing about the history
        raise DamagedError(f"{path} cannot be read as the history of a search: {error}") from None


def _columns(group: h5py.Group) -> Columns:
    return {name: np.asarray(dataset[()]) for name, dataset in group.items()}


def history_differences(a: Path, b: Path) -> Iterator[str]:
    """Names every attribute and data set in which two state.h5 differ, in alphabetical order."""
    with h5py.File(a, "r") as file_a, h5py.File(b, "r") as file_b:
        facts_a, facts_b = _facts(file_a), _facts(file_b)
        for name in sorted({*facts_a, *facts_b}):
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
    """The attributes, those of the header one by one; two runs of one search may have two names."""
    attributes = {name: file.attrs[name] for name in file.attrs if name not in ("header", "name")}
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
    # Bytes are compared, not values: nan equals itself, and 0 is not -0.
    flat_a, flat_b = np.atleast_1d(a).ravel(), np.atleast_1d(b).ravel()
    bytes_a, bytes_b = (
        np.frombuffer(flat.tobytes(), np.uint8).reshape(len(flat), -1) for flat in (flat_a, flat_b)
    )
    first = int(np.flatnonzero((bytes_a != bytes_b).any(axis=1))[0])
    index = ", ".join(str(i) for i in np.unravel_index(first, a.shape))
    return f"[{index}] is {flat_a[first]} against {flat_b[first]}"
