"""`logs`: what the jobs of a seed print."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import RunArgument, RunsOption


def logs(
    run: RunArgument,
    runs: RunsOption = Path("runs"),
    all_: Annotated[
        bool, typer.Option("--all", help="The logs of all its jobs, oldest first.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on, from job to job, until the seed is at its end.")
    ] = False,
) -> None:
    """Print the log of a seed's newest job.

    A requeued job appends to its log; a spare that takes over has one of its own.
    """
    from emtnas_hpc.cli.finding import find_run
    from emtnas_hpc.cli.logs_view import follow_logs, print_logs

    directory = find_run(run, runs)
    if follow:
        follow_logs(directory, newest_only=not all_)
    else:
        print_logs(directory, newest_only=not all_)
