"""`run`: search in the foreground."""

from pathlib import Path
from typing import Annotated

import typer

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
    check_parallel,
    parse_seeds,
)
from emtnas_hpc.search.device_name import check_device_name


def run(
    context: typer.Context,
    experiment: ExperimentsArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    name: NameOption = None,
    seeds: SeedsOption = "1",
    parallel: Annotated[int, typer.Option(help="Seeds at a time, a process each.")] = 1,
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run from its owner, dead or alive.")
    ] = False,
    json_: JsonOption = False,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
) -> int:
    """Search in the foreground; a run that is there goes on where it was.

    Ctrl-C stops in good order; the same command goes on, with the images that the run began with.
    """
    # Imported here, so that --help needs none of it.
    from emtnas_hpc.cli.run_order import RunOrder
    from emtnas_hpc.cli.running import run_seeds

    order = RunOrder(
        experiment,
        tuple(set_),
        name,
        parse_seeds(seeds),
        check_parallel(parallel),
        runs,
        data,
        check_device_name(device),
        take_over,
        debug=bool(context.obj),
    )
    return run_seeds(order, as_json=json_, as_events=events)
