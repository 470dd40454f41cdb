"""`verify`: proves a run by repeating a part of it, or two runs by comparing them."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli import console
from emtnas_hpc.cli.options import DataOption, DeviceOption, RunArgument, RunsOption
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.pipeline import common_retrainings, compare_retrainings
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.verify import CommitComparison, compare_newest, repeat_newest
from emtnas_hpc.settings.hints import prepare_hint, prepare_hints


def verify(
    run: RunArgument,
    other: Annotated[
        str, typer.Argument(help="A second run to compare it with.", metavar="RUN")
    ] = "",
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
) -> int:
    """Repeat a run's newest generations from the commit before, or compare two runs.

    Bit for bit, but for wall-clock readings. A difference is named, and the exit code is 5. The
    repetition is written to TMPDIR, which takes room for a commit; commits of a run that somebody
    goes on with are copied there too.
    """
    check_device_name(device)
    first = find_run(run, runs)
    if other:
        return compare_runs(first, find_run(other, runs))
    return repeat_run(first, data, device)


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
    with prepare_hints(prepare_hint(str(paths.experiment), (), data_dir)):
        comparison = repeat_newest(paths, data_dir, device)
    return _say(comparison, f"{directory} and its repetition")


def _say(comparison: CommitComparison, what: str, unit: str = "generation") -> int:
    if comparison.difference is None:
        print(f"{what} are equal bit for bit at {unit} {comparison.step}")
        return console.DONE
    print(f"{what} differ at {unit} {comparison.step}: {comparison.difference}")
    return console.DIFFERENCE
