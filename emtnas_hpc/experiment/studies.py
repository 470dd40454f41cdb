"""Studies: several experiments under one name, such as all that fill one table of the paper."""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment.loading import data_sets_named, parse_overrides
from emtnas_hpc.experiment.presets import preset_names, study_names, study_path
from emtnas_hpc.experiment.text import at_home, read_toml


@dataclass(frozen=True)
class Typed:
    """An experiment as one types it.

    Attributes:
        experiment: a preset's name or the path of a TOML file.
        overrides: of its settings.
    """

    experiment: str
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What one types, words quoted for a shell."""
        return shlex.join(self.words)

    @property
    def words(self) -> list[str]:
        """What one types, word by word."""
        return [self.experiment, *(word for o in self.overrides for word in ("--set", o))]


def read_study(name: str) -> tuple[Typed, ...] | None:
    """The experiments of a study; None for whatever else has this name.

    Args:
        name: of a study that is shipped, or the path of a TOML file with `[[experiments]]`.

    Raises:
        InputError: it is a study, and not a good one.
    """
    path = _find(name)
    if path is None:
        return None
    table = read_toml(path)
    if "experiments" not in table:
        return None
    entries = table["experiments"]
    if set(table) != {"experiments"} or not isinstance(entries, list) or not entries:
        raise InputError(
            f"{path}: a study is one or more tables [[experiments]], in two brackets each, and "
            "nothing else"
        )
    return tuple(_entry(path, n, entry) for n, entry in enumerate(entries, start=1))


def experiments_of(name: str, overrides: Sequence[str]) -> tuple[Typed, ...]:
    """What a name and overrides mean: the experiments of a study, or that one experiment.

    Overrides go over every experiment of a study; those of a task only over those that have it.

    Raises:
        InputError: it is a study, and not a good one, or an override is of none of its tasks.
    """
    study = read_study(name)
    if study is None:
        return (Typed(name, tuple(overrides)),)
    everywhere = [override for override in overrides if not _tasks_of(override)]
    plain = [Typed(each.experiment, (*each.overrides, *everywhere)) for each in study]
    tasks = [_data_sets_named(name, each) for each in plain]
    _refuse_strangers(overrides, list(dict.fromkeys(task for some in tasks for task in some)))
    return tuple(
        Typed(each.experiment, (*each.overrides, *_about(overrides, own)))
        for each, own in zip(plain, tasks, strict=True)
    )


@contextmanager
def named_with(study: str, typed: Typed) -> Iterator[None]:
    """What is refused of one experiment of a study is told with the names of both."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{study}, {typed}: {error}") from error


def _data_sets_named(study: str, typed: Typed) -> tuple[str, ...]:
    with named_with(study, typed):
        return data_sets_named(typed.experiment, typed.overrides)


def _about(overrides: Iterable[str], tasks: Sequence[str]) -> list[str]:
    """Those overrides that are of one of these tasks."""
    return [override for override in overrides if _tasks_of(override) & set(tasks)]


def _refuse_strangers(overrides: Iterable[str], tasks: Sequence[str]) -> None:
    for override in overrides:
        if (of := _tasks_of(override)) and not of & set(tasks):
            raise InputError(
                f"task.{min(of)} is set, but the tasks of the study are {', '.join(tasks)}"
            )


def _tasks_of(override: str) -> set[str]:
    """The tasks that an override is of; none for one of other settings."""
    tasks = parse_overrides([override]).get("task")
    return set(tasks) if isinstance(tasks, dict) else set()


def _find(name: str) -> Path | None:
    if name in study_names():
        return study_path(name)
    path = at_home(name)
    # One that may not be read is refused by whoever reads it as an experiment.
    is_file = name not in preset_names() and path.suffix == ".toml" and os.path.isfile(path)  # noqa: PTH113
    return path if is_file else None


def _entry(path: Path, number: int, entry: Any) -> Typed:
    if not isinstance(entry, dict) or set(entry) - {"preset", "set"} or "preset" not in entry:
        raise InputError(
            f'{path}: experiment {number} is {entry!r}, expected preset = "cifar" and, if need '
            'be, set = ["search.rmp=0.1"]'
        )
    preset, overrides = entry["preset"], entry.get("set", [])
    if not isinstance(preset, str):
        raise InputError(f"{path}: preset of experiment {number} is {preset!r}, expected text")
    if not isinstance(overrides, list) or not all(isinstance(o, str) for o in overrides):
        raise InputError(
            f"{path}: set of experiment {number} is {overrides!r}, expected a list of "
            '"section.setting=value"'
        )
    beside = path.parent / preset
    is_file = preset.endswith(".toml") and beside.is_file()
    return Typed(str(beside) if is_file else preset, tuple(overrides))
