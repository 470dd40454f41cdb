"""`report`: the paper's tables from runs, and how their searches went."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption, typed_path


def report(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    runs: RunsOption = Path("runs"),
    table: Annotated[
        list[int],
        typer.Option(help="Only this table of the paper, 2 to 6, empty or not. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    format_: Annotated[
        list[str], typer.Option("--format", help="screen, markdown, latex, csv, json or html.")
    ] = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option(
            help="A folder for files: those of --format, or of all formats.", callback=typed_path
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """The paper's tables with your runs in them, also while searches run.

    Test accuracies are those of retrained networks. A search by itself says how it went on
    validation images, with a supernet's weights: that ranks nothing. CSV is of retrained networks
    or, where there is none, of searches, seed by seed; --output writes both. A run that may not be
    read is named on stderr and left out.

    A training that diverged is no result: a loss or, in the end, a weight is no finite number. Its
    seed is in no mean and no test of its row, and is counted below the table. So is a network that
    a search found whose own loss diverged, and so are the times of that search.
    """
    from emtnas_hpc.cli.finding import find_runs
    from emtnas_hpc.cli.reporting import ReportRequest, choose_format, make_report

    chosen = choose_format(format_, as_json=json_)
    make_report(ReportRequest(find_runs(run, runs), tuple(table), chosen, output))
