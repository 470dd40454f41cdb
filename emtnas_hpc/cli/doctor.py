"""`doctor`: is this cluster fit for it?"""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.agenda.mending import prepare_command
from emtnas_hpc.cli.job_options import (
    GpusOption,
    PartitionOption,
    ProfileOption,
    SbatchOption,
    make_wishes,
)
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    ExperimentArgument,
    JsonOption,
    RunsOption,
    SetOption,
)
from emtnas_hpc.search.device_name import check_device_name


def doctor(
    experiment: ExperimentArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    signals: Annotated[
        bool,
        typer.Option("--signals", help="Let a job run into its limit, to see who signals when."),
    ] = False,
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds that a test job may wait to begin.", min=1)
    ] = 120.0,
    json_: JsonOption = False,
) -> int:
    """Check whether a cluster is fit for it: one line a check, fine, warning or wrong.

    Submits a test job of a few seconds that asks for what a search would.
    """
    from emtnas_hpc.cli.doctoring import examine_site
    from emtnas_hpc.cluster.doctor.examination import Examination
    from emtnas_hpc.data.registry import REGISTRY
    from emtnas_hpc.experiment import load_experiment

    order = Examination(
        load_experiment(experiment, tuple(set_), registry=REGISTRY),
        make_wishes(profile, partition, "", gpus, sbatch),
        runs,
        data,
        check_device_name(device),
        prepare_command(experiment, tuple(set_), data),
        signals,
        patience,
    )
    return examine_site(order, as_json=json_)
