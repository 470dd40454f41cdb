"""`status`: every run at a glance."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption


def status(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    runs: RunsOption = Path("runs"),
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 10 s until nothing moves, or Ctrl-C.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Show where every seed is: in the queue, at work, done, or why not.

    From the run directories, joined with one call of squeue and at most one of sacct. Works while
    searches run, in the foreground as well, and without SLURM. What may not be read is shown as
    unreadable, with whom it belongs to.
    """
    from emtnas_hpc.cli.finding import find_runs
    from emtnas_hpc.cli.status_view import print_status, watch_status

    directories = find_runs(run, runs)
    if watch and not json_:
        watch_status(directories)
    else:
        print_status(directories, as_json=json_)
