"""state.h5: the whole history of a search in one small file, under 2 MB for 300 generations."""

import io
import json
from pathlib import Path

import h5py
import numpy as np

from emtnas_hpc.checkpoint.paths import HISTORY
from emtnas_hpc.errors import DamagedError
from emtnas_hpc.search.history import (
    Columns,
    Header,
    History,
    generation_columns,
    header_of,
    header_values,
    history_of,
    individual_columns,
    population_columns,
)

FILE_NAME = HISTORY
SCHEMA_VERSION = 1


def write_history(history: History, path: Path) -> None:
    """Writes the history as a new file.

    The file is built in memory first: HDF5 does not survive a full disk gracefully, one write of
    finished bytes does.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["generation"] = history.generation
        file.attrs["name"] = history.header.name
        file.attrs["header"] = json.dumps(header_values(history.header))
        _write_table(file, "individuals", individual_columns(history))
        _write_table(file, "population", population_columns(history))
        _write_table(file, "generations", generation_columns(history))
    path.write_bytes(buffer.getvalue())


def read_history(path: Path) -> History:
    """Reads a history back.

    Raises:
        DamagedError: the file is no history, or one of another schema.
        OSError: it cannot be opened.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_schema(file, path)
            individuals, generations = (
                _read_table(file["individuals"]),
                _read_table(file["generations"]),
            )
            return history_of(_header(file), individuals, generations)
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's refusal, which says nothing about the history
        raise DamagedError(f"{path} cannot be read as the history of a search: {error}") from None


def read_header(path: Path) -> Header:
    """Reads only what holds for the whole search.

    Raises:
        DamagedError: as `read_history`.
    """
    try:
        with h5py.File(path, "r") as file:
            return header_in(file, path)
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's refusal, which says nothing about the history
        raise DamagedError(f"{path} cannot be read as the history of a search: {error}") from None


def header_in(file: h5py.File, path: Path) -> Header:
    """The header of a file that is open.

    Raises:
        DamagedError: it is of another schema.
    """
    _check_schema(file, path)
    return _header(file)


def _check_schema(file: h5py.File, path: Path) -> None:
    found = int(file.attrs["schema_version"])
    if found != SCHEMA_VERSION:
        raise DamagedError(
            f"{path} has schema {found}, this version reads {SCHEMA_VERSION}; use the version of "
            "emtnas-hpc that wrote it"
        )


def _header(file: h5py.File) -> Header:
    return header_of(file.attrs["name"], json.loads(file.attrs["header"]))


def _write_table(file: h5py.File, name: str, columns: Columns) -> None:
    group = file.create_group(name)
    for column, values in columns.items():
        group.create_dataset(column, data=values)


def _read_table(group: h5py.Group) -> Columns:
    return {name: np.asarray(dataset[()]) for name, dataset in group.items()}
