"""state.h5: the whole history of a search in one small file, under 2 MB for 300 generations."""

import io
import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emtnas_hpc.checkpoint.paths import HISTORY
from emtnas_hpc.errors import DamagedError
from emtnas_hpc.search.history import (
    Columns,
    Header,
    History,
    first_diverged,
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


#: Newest generations that the time of the next one is judged by.
_N_RECENT = 10
_SECONDS = ("seconds_training", "seconds_evaluation", "seconds_search", "seconds_true_fitness")


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is.

    Attributes:
        header: what holds for the whole search.
        generation: the newest one.
        true_fitness: for every task the best so far, in [0, 1]; nan before the first measurement.
        diverged_in: for every task the first generation whose training loss is no finite number.
        seconds: of a generation, the median of the newest ten; nan before the first.
    """

    header: Header
    generation: int
    true_fitness: tuple[float, ...]
    diverged_in: tuple[int | None, ...]
    seconds: float

    @property
    def seconds_left(self) -> float:
        """Work left if the generations to come take as long; nan where none has been measured."""
        return self.seconds * (self.header.n_generations - self.generation)


def read_progress(path: Path) -> SearchProgress:
    """Reads how far a search is, in a twentieth of the time that its whole history takes.

    Raises:
        DamagedError: the file is no history, or one of another schema.
        OSError: it cannot be opened.
    """
    try:
        with h5py.File(path, "r") as file:
            header = header_in(file, path)
            seconds = np.sum([_column(file, name)[-_N_RECENT:] for name in _SECONDS], axis=(0, 2))
            true_fitness = _column(file, "true_fitness")
            return SearchProgress(
                header,
                int(file.attrs["generation"]),
                tuple(np.fmax.reduce(true_fitness, axis=0, initial=math.nan).tolist()),
                tuple(first_diverged(losses) for losses in _column(file, "train_loss").T),
                statistics.median(seconds.tolist()) if len(true_fitness) else math.nan,
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the system's refusal, which says nothing about the history
        raise DamagedError(f"{path} cannot be read as the history of a search: {error}") from None


def _column(file: h5py.File, name: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A column of the generations, past h5py's objects: they take longer than the reading."""
    found = h5py.h5d.open(file.id, f"generations/{name}".encode())
    values = np.empty(found.shape)
    found.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values
