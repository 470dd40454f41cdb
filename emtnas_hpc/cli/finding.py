"""From what a user calls a run to run directories."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from emtnas_hpc.errors import InputError
from emtnas_hpc.store.paths import JobsPaths, RunPaths, runs_below, runs_of

_MOST_HINTS = 3


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
    """
    found = _find(argument, runs)
    if len(found) > 1:
        raise InputError(f"{argument} is {len(found)} runs, expected one, such as {found[0]}")
    return found[0]


def _find(argument: str, runs: Path) -> list[Path]:
    # A folder of that name that happens to lie here is not what was meant.
    for candidate in (runs / argument, Path(argument)):
        paths = RunPaths(candidate)
        # Whose experiment.toml is gone is still told by its commits.
        if paths.experiment.is_file() or paths.stages():
            return [candidate]
        if found := _in_order(runs_of(candidate)) or _in_order(runs_below(candidate)):
            return found
    raise InputError(
        f"no run {argument!r}, neither as a folder nor in {runs}{_hint(argument, runs)}"
    )


def _hint(argument: str, runs: Path) -> str:
    """The runs of that experiment with overrides, which are a part of a folder's name."""
    name = argument.partition("/")[0]
    alike = (run.directory.parent.name for run in runs_below(runs))
    meant = [each for each in dict.fromkeys(alike) if each.startswith(f"{name}+")]
    return f"; did you mean {' or '.join(meant[:_MOST_HINTS])}?" if meant else ""


def _in_order(runs: Iterable[RunPaths]) -> list[Path]:
    """Their directories, seed 10 after seed 9."""
    # What SLURM is told of an experiment's seeds lies in folders of the same names.
    found = (run for run in runs if not JobsPaths(run.directory).request.exists())
    return [run.directory for run in sorted(found, key=_order)]


def _order(run: RunPaths) -> tuple[str, int]:
    return str(run.directory.parent), int(run.seed) if run.seed.isdigit() else -1
