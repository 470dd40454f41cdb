"""What to type when data is missing."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

#: Any preset does where its tasks are replaced.
_PRESET = "cifar"


def prepare_hint(experiment: str, overrides: Sequence[str], data: Path) -> str:
    """What to type to prepare an experiment's data."""
    settings = [word for override in overrides for word in ("--set", override)]
    return shlex.join(["emtnas-hpc", "prepare", experiment, *settings, "--data", str(data)])


def prepare_hint_for_retraining(
    experiment: Path,
    own: Sequence[str],
    targets: Sequence[str],
    overrides: Sequence[str],
    data: Path,
) -> str:
    """What to type to prepare the data of a run's retrainings.

    Args:
        experiment: the file of the run that knows its own data sets.
        own: all data sets of the run.
        targets: data sets that are trained on.
        overrides: of the retrainings; those of images make other data.
        data: where prepared data is.
    """
    if set(targets) <= set(own):
        return prepare_hint(str(experiment), _of_images(overrides), data)
    return prepare_hint_for_data_sets(targets, overrides, data)


def prepare_hint_for_data_sets(names: Sequence[str], overrides: Sequence[str], data: Path) -> str:
    """What to type to prepare data sets that are in no experiment; arguments as above."""
    tasks = f"tasks={json.dumps(list(names))}"
    return prepare_hint(_PRESET, [tasks, *_of_images(overrides)], data)


def _of_images(overrides: Sequence[str]) -> list[str]:
    return [text for text in overrides if text.strip().startswith("task.")]
