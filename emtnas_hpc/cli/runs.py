"""From what a user types to run directories: experiments, seeds, and where each goes on."""

import errno
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths, runs_below, runs_of
from emtnas_hpc.cli.events import Who
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import DamagedError, EmtnasError, InputError, StorageError, StoredError
from emtnas_hpc.pipeline import find_finished, pending_stages
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.search.session import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.loading import (
    Typed,
    experiments_of,
    load_experiment,
    named_with,
    read_study,
)
from emtnas_hpc.settings.messages import at_home
from emtnas_hpc.settings.names import rename, run_name

_MOST_HINTS = 3
#: What the system says of an argument that can be no folder.
_NO_FOLDER = (errno.ENOTDIR, errno.ENAMETOOLONG)


def find_runs(arguments: Sequence[str], runs: Path) -> list[Path]:
    """The run directories of one seed each that the arguments mean, in natural order.

    Args:
        arguments: folders, or names below `runs`, of one seed, of all seeds of an experiment, or
            of several experiments; none means everything below `runs`.
        runs: where run directories are.

    Raises:
        InputError: there is no run by that name, or none at all.
    """
    if not arguments:
        found = _in_order(runs_below(runs))
        if not found:
            raise InputError(
                f"no runs in {runs}; start one with `emtnas-hpc run`, or say --runs DIR"
            )
        return found
    return [directory for argument in arguments for directory in _find(argument, runs)]


def find_run(argument: str, runs: Path) -> Path:
    """The one run directory that an argument means.

    Raises:
        InputError: there is none, or several.
        StorageError: it cannot be looked into.
    """
    found = _find(argument, runs)
    if len(found) > 1:
        raise InputError(f"{argument} is {len(found)} runs, expected one, such as {found[0]}")
    RunPaths(found[0]).refuse_shut()
    return found[0]


def _find(argument: str, runs: Path) -> list[Path]:
    if not argument.strip():
        # An unset variable of a script: to take it for the current directory would mean all runs.
        raise InputError(f"a run is called {argument!r}, expected a folder, or a name below --runs")
    # A folder of that name that happens to lie here is not what was meant.
    for candidate in (runs / argument, at_home(argument)):
        try:
            if found := _found(candidate):
                return found
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) in _NO_FOLDER:
                raise InputError(f"{argument!r} is no run: {error}") from None
            return [candidate]  # whoever reads it says why it cannot be
    raise InputError(
        f"no run {argument!r}, neither as a folder nor in {runs}{_hint(argument, runs)}"
    )


def _found(candidate: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs in it."""
    paths = RunPaths(candidate)
    # Whose experiment.toml is gone is still told by its commits.
    if is_there(paths.experiment) or paths.stages():
        return [candidate]
    return _in_order(runs_of(candidate)) or _in_order(runs_below(candidate))


def _hint(argument: str, runs: Path) -> str:
    """The runs of that experiment with overrides, which are a part of a folder's name."""
    name = argument.partition("/")[0]
    alike = (run.directory.parent.name for run in runs_below(runs))
    meant = [each for each in dict.fromkeys(alike) if each.startswith(f"{name}+")]
    return f"; did you mean {' or '.join(meant[:_MOST_HINTS])}?" if meant else ""


def _in_order(runs: Iterable[RunPaths]) -> list[Path]:
    """Their directories, seed 10 after seed 9."""
    return [run.directory for run in sorted(runs, key=_order) if not _is_of_jobs(run)]


def _is_of_jobs(run: RunPaths) -> bool:
    """What SLURM is told of an experiment's seeds lies in folders of the same names."""
    try:
        return is_there(JobsPaths(run.directory).request)
    except StorageError:
        return False


def _order(run: RunPaths) -> tuple[str, int]:
    return str(run.directory.parent), int(run.seed) if run.seed.isdigit() else -1


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


@dataclass(frozen=True)
class SeedOrder:
    """One seed of an experiment.

    Attributes:
        named: its experiment.
        request: its search, and where.
        who: it is, among all.
    """

    named: Named
    request: RunSpec
    who: Who


def find_other_run(spec: RunSpec, runs: Path, plan: SearchPlan | None) -> RunPaths | None:
    """The run of another name in which a seed is finished, unless its own directory is there.

    A directory that cannot be read is not one; where it is the seed's own, its start says so.

    Args:
        spec: the seed.
        runs: where run directories are.
        plan: of its search. None where its data is gone: then all of the other run must be done,
            and that its data came from the same source has to do for the digests.
    """
    with suppress(StorageError):
        if is_there(spec.paths.directory):
            return None
        if plan is not None:
            return find_finished(runs, plan)
        for paths in runs_below(runs, spec.seed):
            if _is_done(paths, spec.experiment, spec.seed):
                return paths
    return None


def has_work(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    """Whether a stage is left to be done; of what cannot be read nobody can tell, and none is."""
    try:
        return bool(pending_stages(paths, experiment, seed))
    except (StorageError, DamagedError, StoredError):
        return False


def _is_done(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    try:
        stored = read_stored(paths)
        if stored is None or _sources(stored.experiment) != _sources(experiment):
            return False
        return not pending_stages(paths, rename(experiment, paths.directory.parent.name), seed)
    except EmtnasError:
        return False


def _sources(experiment: Experiment) -> dict[str, str]:
    return {name: experiment.task[name].source for name in experiment.tasks}


def said_of(found: RunPaths) -> str:
    """What to tell of a seed that is carried on elsewhere."""
    return f"this search is finished in {found.directory}, which is used"
