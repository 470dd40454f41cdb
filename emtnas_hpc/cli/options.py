"""The arguments and options that several commands share, and what their text means."""

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.messages import at_home

#: The paper's search, so that a bare command does what the paper did.
DEFAULT_EXPERIMENT = "cifar"

_LARGEST_SEED = 2**32 - 1
_MOST_SEEDS = 10_000


def typed_path(path: Path | None) -> Path | None:
    """A path as an option's callback: with the user's home for a leading `~`."""
    return None if path is None else at_home(path)


def _directory(context: typer.Context, parameter: typer.CallbackParam, path: Path) -> Path:
    """Refuses what is there and no directory that can be listed; it may be missing."""
    path = at_home(path)
    try:
        # The dot takes the permission to look inside; listing alone does not.
        os.stat(os.path.join(path, "."))  # noqa: PTH116, PTH118 - a Path drops the dot
        with os.scandir(path):
            return path
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return path
        given = context.get_parameter_source(parameter.name or "")
        from_environment = given is not None and given.name == "ENVIRONMENT"
        name = parameter.envvar if from_environment else parameter.opts[0]
        raise InputError(
            f"{name} is {str(path)!r}, which cannot be used ({error.strerror}); expected a "
            "directory, there or still to be made"
        ) from None


ExperimentArgument = Annotated[
    str, typer.Argument(help="A preset's name or a TOML file.", metavar="EXPERIMENT")
]
ExperimentsArgument = Annotated[
    str, typer.Argument(help="A preset's or study's name, or a TOML file.", metavar="EXPERIMENT")
]
SetOption = Annotated[
    list[str],
    typer.Option("--set", help="Override a setting: section.setting=value. Repeatable."),
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name of the run's folder; default: the preset's, with what was --set."),
]
SeedsOption = Annotated[
    str, typer.Option(help="How many seeds, or which: 5 means 0 to 4; 5,7 those two.")
]
RunsOption = Annotated[
    Path,
    typer.Option(
        help="Where run directories are.",
        envvar="EMTNAS_RUNS",
        show_envvar=True,
        callback=_directory,
    ),
]
DataOption = Annotated[
    Path,
    typer.Option(
        help="Where prepared data is.", envvar="EMTNAS_DATA", show_envvar=True, callback=_directory
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunArgument = Annotated[
    str, typer.Argument(help="A run: a folder, or a name below --runs.", metavar="RUN")
]
RunsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Runs: folders, or names below --runs. All that are there if none.", metavar="RUN"
    ),
]


def parse_seeds(text: str) -> tuple[int, ...]:
    """`5` is seeds 0 to 4; `5,7` those two; `5,` seed 5 alone.

    Raises:
        InputError: it is neither, or a seed is there twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(f"--seeds is {text!r}, expected a number (5) or a list of seeds (5,7)")
    numbers = tuple(map(int, parts))
    seed, times = Counter(numbers).most_common(1)[0]
    if times > 1:
        raise InputError(
            f"--seeds is {text!r}, which has {seed} more than once; expected every seed once"
        )
    if "," in text:
        if max(numbers) > _LARGEST_SEED:
            raise InputError(f"--seeds has {max(numbers)}, expected 0 to {_LARGEST_SEED}")
        return numbers
    if not 1 <= numbers[0] <= _MOST_SEEDS:
        raise InputError(f"--seeds is {text!r}, expected 1 to {_MOST_SEEDS:,} seeds")
    return tuple(range(numbers[0]))


def check_parallel(number: int) -> int:
    """How many seeds at a time.

    Raises:
        InputError: none.
    """
    if number < 1:
        raise InputError(f"--parallel is {number}, expected at least 1 seed at a time")
    return number


ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        help="A profile's name or TOML file; default: the one of the partition. `doctor` says "
        "which that is, and where one to copy is.",
    ),
]
PartitionOption = Annotated[
    str, typer.Option("--partition", "-p", help="SLURM's partition; default: SLURM's default.")
]
TimeOption = Annotated[
    str,
    typer.Option("--time", "-t", help="Limit of a job, as SLURM writes it: 90, 24:00:00, 1-12."),
]
GpusOption = Annotated[int | None, typer.Option("--gpus", help="GPUs of a job.", min=0)]
SbatchOption = Annotated[
    list[str],
    typer.Option("--sbatch", help="Any option of sbatch: NAME=VALUE, or NAME. Repeatable."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and what sbatch would get; submit nothing.")
]
