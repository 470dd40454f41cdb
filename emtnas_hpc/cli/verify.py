"""`verify`: proves a run by repeating a part of it, or two runs by comparing them."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import DataOption, DeviceOption, RunArgument, RunsOption
from emtnas_hpc.search.device_name import check_device_name


def verify(
    run: RunArgument,
    other: Annotated[
        str, typer.Argument(help="A second run to compare it with.", metavar="RUN")
    ] = "",
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
) -> int:
    """Repeat a run's newest generations from the commit before, or compare two runs.

    Bit for bit, but for wall-clock readings. A difference is named, and the exit code is 5. The
    repetition is written to TMPDIR, which takes room for a commit; commits of a run that somebody
    goes on with are copied there too.
    """
    from emtnas_hpc.cli.finding import find_run
    from emtnas_hpc.cli.verifying import compare_runs, repeat_run

    check_device_name(device)
    first = find_run(run, runs)
    if other:
        return compare_runs(first, find_run(other, runs))
    return repeat_run(first, data, device)
