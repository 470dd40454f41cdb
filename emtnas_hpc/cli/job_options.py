"""The options of the commands that submit jobs."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from emtnas_hpc.cluster.resolving import Wishes

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


def make_wishes(
    profile: str, partition: str, time: str, gpus: int | None, sbatch: list[str]
) -> "Wishes":
    """What was typed about the jobs."""
    # Imported here, so that --help needs none of it.
    from emtnas_hpc.cluster.resolving import Wishes

    return Wishes(profile, partition, time, gpus, tuple(sbatch))
