"""`report`: what the commits hold, as a table."""

from pathlib import Path

from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption


def report(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    runs: RunsOption = Path("runs"),
    json_: JsonOption = False,
) -> None:
    """Tables of what searches found, also while they are running.

    Accuracies are the supernet's on validation images: how a search went, not what is better.
    """
    from emtnas_hpc.cli.finding import find_runs
    from emtnas_hpc.cli.tables import print_report

    print_report(find_runs(run, runs), as_json=json_)
