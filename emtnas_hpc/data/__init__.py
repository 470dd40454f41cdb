"""Tasks by name, their images prepared on disk, and mini-batches on the device.

`batches` alone needs torch, and is imported by its own name.
"""

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.preparation import open_data, open_for_retraining, open_task, prepare
from emtnas_hpc.data.prepared import Prepared, open_prepared
from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.data.streamed import Streamed
from emtnas_hpc.data.task_data import TaskData

__all__ = [
    "REGISTRY",
    "Images",
    "Prepared",
    "Split",
    "Streamed",
    "TaskData",
    "open_data",
    "open_for_retraining",
    "open_prepared",
    "open_task",
    "parse_source",
    "prepare",
]
