"""Tasks by name, their images prepared on disk, and mini-batches on the device.

`batches` alone needs torch, and is imported by its own name.
"""

from emtnas_hpc.data.copies import Begun
from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.opening import open_data, open_for_retraining, open_task, shared_with_search
from emtnas_hpc.data.preparation import prepare
from emtnas_hpc.data.prepared import Prepared, open_prepared
from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.data.streamed import Streamed
from emtnas_hpc.data.task_data import TaskData

__all__ = [
    "REGISTRY",
    "Begun",
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
    "shared_with_search",
]
