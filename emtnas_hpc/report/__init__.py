"""From commits to numbers; reads state.h5 only, and never imports torch."""

from emtnas_hpc.report.collect import Collection, SeedResult, TaskResult, collect
from emtnas_hpc.report.summary import Summary, TaskSummary, summarise

__all__ = [
    "Collection",
    "SeedResult",
    "Summary",
    "TaskResult",
    "TaskSummary",
    "collect",
    "summarise",
]
