"""What `verify` does, and how it says what it found."""

import sys
from pathlib import Path

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.search.verification import Comparison, compare_newest, repeat_newest
from emtnas_hpc.store.paths import RunPaths


def compare_runs(a: Path, b: Path) -> int:
    """Compares the newest step that two runs have both committed."""
    return _say(compare_newest(RunPaths(a), RunPaths(b)), f"{a} and {b}")


def repeat_run(directory: Path, data_dir: Path, device: str) -> int:
    """Repeats what led to a run's newest commit."""
    comparison = repeat_newest(RunPaths(directory), data_dir, device, say=_tell)
    return _say(comparison, f"{directory} and its repetition")


def _say(comparison: Comparison, what: str) -> int:
    if comparison.difference is None:
        print(f"{what} are equal bit for bit at generation {comparison.step}")
        return exit_codes.DONE
    print(f"{what} differ at generation {comparison.step}: {comparison.difference}")
    return exit_codes.DIFFERENCE


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
