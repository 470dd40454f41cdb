"""From what a user types to the run directories that it means."""

import errno
from collections.abc import Iterable, Sequence
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths, runs_below, runs_of
from emtnas_hpc.errors import InputError, StorageError
from emtnas_hpc.settings.messages import at_home

_MOST_HINTS = 3
#: What the system says of an argument that can be no folder.
_NO_FOLDER = (errno.ENOTDIR, errno.ENAMETOOLONG)


def find_runs(arguments: Sequence[str], runs: Path) -> list[Path]:
    """The run directories of one seed each that the arguments mean, each once, in natural order.

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
    once: dict[Path, Path] = {}
    for run in (run for argument in arguments for run in _find(argument, runs)):
        once.setdefault(run.absolute(), run)
    return list(once.values())


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
        # An unset variable of a script: as the current directory it would mean all runs.
        raise InputError(f"a run is called {argument!r}, expected a folder, or a name below --runs")
    for candidate in candidates(argument, runs):
        try:
            if found := _found(candidate):
                return found
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) in _NO_FOLDER:
                raise InputError(f"{argument!r} is no run: {error}") from None
            return [candidate]  # its reader says why it cannot be read
    raise InputError(
        f"no run {argument!r}, neither as a folder nor in {runs}{_hint(argument, runs)}"
    )


def candidates(argument: str, runs: Path) -> list[Path]:
    """The folders that an argument may mean, the likeliest first."""
    typed = at_home(argument)
    if typed.name in ("", ".."):
        # Seen from here; a run's name, and where its jobs are, come from that of its folder.
        return [typed.resolve(), runs / argument]
    # A folder of that name that happens to lie here is not what was meant.
    return [runs / argument, typed]


def _found(candidate: Path) -> list[Path]:
    """The folder itself if it is a run, else the runs in it."""
    paths = RunPaths(candidate)
    # A run without experiment.toml is recognised by its commits.
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
        return is_there(JobsPaths(run.directory).spec)
    except StorageError:
        return False


def _order(run: RunPaths) -> tuple[str, int]:
    return str(run.directory.parent), int(run.seed) if run.seed.isdigit() else -1
