"""How far a search is, read from a few columns of state.h5: for those who look at many of them."""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.history.file import header_in
from emtnas_hpc.history.records import Header, first_diverged

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
