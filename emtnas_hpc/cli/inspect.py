"""`inspect`: what one commit holds."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import JsonOption, RunArgument, RunsOption, typed_path

SvgOption = Annotated[
    Path | None,
    typer.Option(
        "--svg", help="Also draw the cells, as SVG files in this folder.", callback=typed_path
    ),
]


def inspect(
    run: RunArgument,
    runs: RunsOption = Path("runs"),
    svg: SvgOption = None,
    json_: JsonOption = False,
) -> None:
    """Show what a run's newest commit holds; the incumbents' cells are drawn."""
    from emtnas_hpc.cli.finding import find_run
    from emtnas_hpc.cli.inspecting import print_run

    print_run(find_run(run, runs), as_json=json_, pictures=svg)
