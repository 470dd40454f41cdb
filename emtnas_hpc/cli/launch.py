"""`launch`: a search as SLURM jobs that carry every seed to its end."""

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
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    ExperimentsArgument,
    JsonOption,
    NameOption,
    RunsOption,
    SeedsOption,
    SetOption,
    parse_seeds,
)
from emtnas_hpc.search.device_name import check_device_name


def launch(
    experiment: ExperimentsArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    seeds: SeedsOption = "1",
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    time: TimeOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    name: NameOption = None,
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Submit a search to SLURM, a job a seed; preempted or out of time, it goes on by itself.

    Repeated, it submits nothing twice: a seed that is done, in the queue or cancelled is left
    alone, one that stopped or failed is taken up.
    """
    from emtnas_hpc.cli.launching import LaunchOrder, launch_seeds

    order = LaunchOrder(
        experiment,
        tuple(set_),
        name,
        parse_seeds(seeds),
        runs,
        data,
        check_device_name(device),
        make_wishes(profile, partition, time, gpus, sbatch),
    )
    launch_seeds(order, dry_run=dry_run, as_json=json_)
