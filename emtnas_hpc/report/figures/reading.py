"""Traces of run directories, one history in memory at a time."""

from collections.abc import Sequence
from pathlib import Path

from emtnas_hpc.report.collect import newest_history
from emtnas_hpc.report.figures.trace import Trace, trace_of


def read_traces(directories: Sequence[Path]) -> list[Trace]:
    """The traces of these runs' searches.

    Raises:
        EmtnasError: one of them cannot be read.
    """
    return [trace_of(newest_history(directory)) for directory in directories]
