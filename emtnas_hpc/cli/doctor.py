"""`doctor`: is this cluster fit for it?"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from emtnas_hpc.cli import console
from emtnas_hpc.cli.console import one_line, open_screen
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    ExperimentArgument,
    GpusOption,
    JsonOption,
    PartitionOption,
    ProfileOption,
    RunsOption,
    SbatchOption,
    SetOption,
)
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.settings.hints import prepare_hint
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.slurm.checks import CheckResult, Grade
from emtnas_hpc.slurm.doctor import Doctor
from emtnas_hpc.slurm.fit import JobOptions


def doctor(
    experiment: ExperimentArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds that a test job may wait to begin.", min=1)
    ] = 120.0,
    json_: JsonOption = False,
) -> int:
    """Check whether a cluster is fit for it: one line a check, fine, warning or wrong.

    Submits a test job of a few seconds that asks for what a search would.
    """
    checks = Doctor(
        experiment=load_experiment(experiment, tuple(set_), registry=REGISTRY),
        options=JobOptions(profile=profile, partition=partition, gpus=gpus, sbatch=tuple(sbatch)),
        runs=runs,
        data=data,
        device=check_device_name(device),
        prepare_command=prepare_hint(experiment, tuple(set_), data),
        patience_s=patience,
    )
    screen = open_screen()
    results: list[CheckResult] = []
    for result in checks.run_checks():
        results.append(result)
        if not json_:
            screen.print(_line(result))
            sys.stdout.flush()
    if json_:
        print(json.dumps([_values(result) for result in results], indent=2))
    is_wrong = any(result.grade is Grade.WRONG for result in results)
    return console.FAILED if is_wrong else console.DONE


_STYLES = {Grade.FINE: "green", Grade.WARNING: "yellow", Grade.WRONG: "bold red"}
_WIDTH = max(len(grade.value) for grade in Grade)
_CHECK_WIDTH = 18


def _line(result: CheckResult) -> Text:
    grade = result.grade.value.ljust(_WIDTH)
    check = result.check.ljust(_CHECK_WIDTH)
    return Text.assemble((grade, _STYLES[result.grade]), f"  {check}  {one_line(result)}")


def _values(result: CheckResult) -> dict[str, str]:
    return {
        "check": result.check,
        "grade": result.grade.value,
        "found": one_line(result.found),
        "advice": one_line(result.advice),
    }
