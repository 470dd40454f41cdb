"""`resume`: takes up again what was launched once."""

from pathlib import Path

from emtnas_hpc.cli.job_options import (
    DryRunOption,
    GpusOption,
    PartitionOption,
    ProfileOption,
    SbatchOption,
    TimeOption,
    make_wishes,
)
from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption


def resume(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    time: TimeOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    runs: RunsOption = Path("runs"),
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Submit runs again that were launched and then cancelled, given up or lost.

    They go on where they were, with the settings that they have; what is said of the jobs goes
    over what they asked for before. A run that is done or in the queue is left alone.
    """
    from emtnas_hpc.cli.resuming import resume_runs

    wishes = make_wishes(profile, partition, time, gpus, sbatch)
    resume_runs(run, runs, wishes, dry_run=dry_run, as_json=json_)
