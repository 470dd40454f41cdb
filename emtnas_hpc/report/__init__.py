"""From commits to numbers and tables; reads small files only, and never imports torch."""

from emtnas_hpc.report.collect import SeedResult, TaskResult
from emtnas_hpc.report.runs import Run, Runs, read_runs
from emtnas_hpc.report.summary import (
    Summary,
    TaskSummary,
    search_notes,
    search_tables,
    summarise,
)
from emtnas_hpc.report.table import Column, Entry, Row, Table
from emtnas_hpc.report.tables import build_tables

__all__ = [
    "Column",
    "Entry",
    "Row",
    "Run",
    "Runs",
    "SeedResult",
    "Summary",
    "Table",
    "TaskResult",
    "TaskSummary",
    "build_tables",
    "read_runs",
    "search_notes",
    "search_tables",
    "summarise",
]
