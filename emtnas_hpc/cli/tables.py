"""The report as `run` ends with it."""

from collections.abc import Sequence
from pathlib import Path

from emtnas_hpc.report.formats import plain

__all__ = ["plain", "print_report"]


def print_report(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the report of these run directories on stdout, and what could not be read on stderr.

    Raises:
        EmtnasError: none of them has a readable commit.
    """
    from emtnas_hpc.cli.reporting import ReportFormat, ReportRequest, make_report

    chosen = ReportFormat.JSON if as_json else ReportFormat.SCREEN
    make_report(ReportRequest(directories, (), chosen, None))
