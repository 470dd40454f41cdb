"""What `verify` does, and how it says what it found."""

import sys
from pathlib import Path

from emtnas_hpc.agenda.mending import prepare_command
from emtnas_hpc.agenda.verification import common_retrainings, compare_retrainings
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.search.verification import Comparison, compare_newest, repeat_newest
from emtnas_hpc.store.paths import RunPaths


def compare_runs(a: Path, b: Path) -> int:
    """Compares the newest step of the search, and of each retraining, that two runs both have."""
    runs, both = (RunPaths(a), RunPaths(b)), f"{a} and {b}"
    codes = []
    # Runs of architectures from elsewhere have no search.
    if any(run.search.steps() for run in runs) or not common_retrainings(*runs):
        codes.append(_say(compare_newest(*runs), both))
    for name, comparison in compare_retrainings(*runs):
        codes.append(_say(comparison, f"{name} of {both}", "step"))
    return max(codes)


def repeat_run(directory: Path, data_dir: Path, device: str) -> int:
    """Repeats what led to a run's newest commit."""
    paths = RunPaths(directory)
    mend = prepare_command(str(paths.experiment), (), data_dir)
    comparison = repeat_newest(paths, data_dir, device, mend=mend, say=_tell)
    return _say(comparison, f"{directory} and its repetition")


def _say(comparison: Comparison, what: str, unit: str = "generation") -> int:
    if comparison.difference is None:
        print(f"{what} are equal bit for bit at {unit} {comparison.step}")
        return exit_codes.DONE
    print(f"{what} differ at {unit} {comparison.step}: {comparison.difference}")
    return exit_codes.DIFFERENCE


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
