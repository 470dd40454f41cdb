"""Tasks by name, their images prepared on disk, and mini-batches on the device.

`batches` alone needs torch, and is imported by its own name.
"""

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.preparation import open_task, prepare
from emtnas_hpc.data.prepared import Prepared, open_prepared
from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.data.sources import parse_source

__all__ = [
    "REGISTRY",
    "Images",
    "Prepared",
    "Split",
    "open_prepared",
    "open_task",
    "parse_source",
    "prepare",
]
