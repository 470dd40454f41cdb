"""The history of a search as records, and as the file state.h5."""

from emtnas_hpc.history.comparison import history_differences
from emtnas_hpc.history.file import FILE_NAME, read_header, read_history, write_history
from emtnas_hpc.history.records import Generation, Header, History, TaskGeneration, TaskHeader

__all__ = [
    "FILE_NAME",
    "Generation",
    "Header",
    "History",
    "TaskGeneration",
    "TaskHeader",
    "history_differences",
    "read_header",
    "read_history",
    "write_history",
]
