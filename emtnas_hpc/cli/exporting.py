"""What `export` does and prints."""

import sys
from pathlib import Path

from emtnas_hpc.cli.export_order import ExportOrder
from emtnas_hpc.export.exporting import export


def print_exported(order: ExportOrder, folder: Path, *, onnx: bool, force: bool) -> None:
    """Carries out an order and prints the files, one a line.

    Raises:
        InputError: something of it cannot be done; nothing has been changed.
        EmtnasError: of the store.
    """
    for path in export(order.items(), folder, onnx=onnx, force=force, say=_warn):
        print(path)


def _warn(line: str) -> None:
    print(line, file=sys.stderr)
