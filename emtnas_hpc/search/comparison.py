"""Bit-for-bit comparison of two commits of a search."""

from collections.abc import Iterator
from pathlib import Path

from emtnas_hpc.history import FILE_NAME, history_differences
from emtnas_hpc.supernet.weights_comparison import weights_differences


def commit_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the files, data sets and tensors that differ; wall-clock readings may.

    Args:
        a: directory of a commit, or of what would be one.
        b: another.
    """
    files_a, files_b = _files(a), _files(b)
    for name in sorted(files_a ^ files_b):
        yield f"{name} is in one of them only"
    yield from history_differences(a / FILE_NAME, b / FILE_NAME)
    for name in sorted((files_a & files_b) - {FILE_NAME}):
        yield from weights_differences(a / name, b / name)


def _files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.name != "manifest.json"}
