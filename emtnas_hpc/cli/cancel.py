"""`cancel`: calls a run off, with all of its jobs."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import RunsOption


def cancel(
    run: Annotated[
        list[str],
        typer.Argument(help="Runs to call off: folders, or names below --runs.", metavar="RUN"),
    ],
    runs: RunsOption = Path("runs"),
) -> int:
    """Cancel every job of a run, spares as well, and see to it that none begins again.

    Nothing that was found is deleted; `emtnas-hpc resume` takes the run up where it was.
    """
    from emtnas_hpc.cli.cancelling import cancel_runs, with_deleted
    from emtnas_hpc.cli.finding import find_runs

    def find() -> list[Path]:
        found = find_runs(run, runs)
        meant = {folder for name in run for folder in (Path(name), runs / name)}
        experiments = dict.fromkeys(path.parent for path in found if path not in meant)
        return with_deleted(found, experiments)

    return cancel_runs(find)
