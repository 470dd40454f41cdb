"""The command that prepares data which is missing."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from emtnas_hpc.errors import DataError, UnpreparedError
from emtnas_hpc.settings.presets import words_of

#: Any preset will do: its tasks are replaced.
_PRESET = "cifar"


@contextmanager
def prepare_hints(command: str) -> Iterator[None]:
    """Adds the command to errors about prepared data."""
    try:
        yield
    except UnpreparedError as error:
        raise DataError(f"{error}; {prepare_advice(error, command)}") from None


def prepare_advice(error: UnpreparedError, command: str) -> str:
    """What to do about the error, where the command prepares the data."""
    condition = f" ({error.needs})" if error.needs else ""
    return f"make it anew with: {command}{condition}"


def prepare_hint(experiment: str, overrides: Sequence[str], data: Path) -> str:
    """The command that prepares an experiment's data."""
    words = words_of(experiment, overrides)
    return shlex.join(["emtnas-hpc", "prepare", *words, "--data", str(data)])


def prepare_hint_for_retraining(
    experiment: Path,
    own: Sequence[str],
    targets: Sequence[str],
    *,
    overrides: Sequence[str],
    data: Path,
) -> str:
    """The command that prepares the data of a run's retrainings.

    `experiment` is the run's experiment.toml, which knows the data sets of `own`.
    """
    if set(targets) <= set(own):
        return prepare_hint(str(experiment), _of_images(overrides), data)
    return prepare_hint_for_data_sets(targets, overrides, data)


def prepare_hint_for_data_sets(names: Sequence[str], overrides: Sequence[str], data: Path) -> str:
    """The command that prepares data sets which are in no experiment; arguments as above."""
    tasks = f"tasks={json.dumps(list(names))}"
    return prepare_hint(_PRESET, [tasks, *_of_images(overrides)], data)


def _of_images(overrides: Sequence[str]) -> list[str]:
    return [text for text in overrides if text.strip().startswith("task.")]
