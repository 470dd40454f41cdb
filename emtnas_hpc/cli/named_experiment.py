"""Experiments as they were typed, under the names that their run directories get."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import (
    Experiment,
    Typed,
    experiments_of,
    load_experiment,
    named_with,
    read_study,
    rename,
    run_name,
)


@dataclass(frozen=True)
class Named:
    """An experiment under the name of its folder.

    Attributes:
        typed: what one types to get it alone.
        experiment: all its settings.
    """

    typed: Typed
    experiment: Experiment


def load_named(experiment: str, overrides: Sequence[str], name: str | None) -> tuple[Named, ...]:
    """Loads an experiment, or all those of a study.

    Args:
        experiment: a preset's or study's name, or a TOML file.
        overrides: of the settings.
        name: that the one experiment gets; None for the preset's, and what was changed in it.

    Raises:
        InputError: one of the three is refused, or two experiments come to one folder.
    """
    all_typed = experiments_of(experiment, overrides)
    is_study = read_study(experiment) is not None
    if name is not None and is_study:
        raise InputError(
            f"--name is {name!r}, but {experiment} is a study, whose experiments have names of "
            "their own; leave --name out"
        )
    found: dict[str, Named] = {}
    for typed in all_typed:
        with named_with(experiment, typed) if is_study else nullcontext():
            named = _load(typed, name)
        known = found.setdefault(named.experiment.name, named)
        if known.experiment != named.experiment:
            raise InputError(
                f"{experiment} has two experiments for the folder {named.experiment.name}: "
                f"{known.typed} and {named.typed}"
            )
    return tuple(found.values())


class Folders:
    """Which experiment each run directory is used for; two at a time would spoil each other's.

    Different names may come to one directory, where the search of both is finished.

    Args:
        asked: the experiment or study, as it was typed.
    """

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._known: dict[Path, Named] = {}

    def is_new(self, directory: Path, named: Named) -> bool:
        """Whether a directory is not yet used; from now on it is.

        Args:
            directory: of a run.
            named: what is to be carried on there, under the name of its folder.

        Raises:
            InputError: it is used for another experiment.
        """
        known = self._known.setdefault(directory, named)
        if known.experiment != named.experiment:
            raise InputError(
                f"{self._asked} has two experiments for {directory}, where the search of both is "
                f"finished: {known.typed} and {named.typed}; ask for one after the other"
            )
        return known is named


def _load(typed: Typed, name: str | None) -> Named:
    loaded = load_experiment(typed.experiment, typed.overrides, registry=REGISTRY)
    if name is not None:
        return Named(typed, rename(loaded, name))
    preset = load_experiment(typed.experiment, registry=REGISTRY)
    return Named(typed, rename(loaded, run_name(preset, loaded, REGISTRY)))
