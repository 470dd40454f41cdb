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
    make_job_options,
)
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.settings.hints import prepare_hint
from emtnas_hpc.slurm.checks import CheckResult, Grade
from emtnas_hpc.slurm.doctor import Doctor, run_checks


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
    signals: Annotated[
        bool,
        typer.Option("--signals", help="Let a job run into its limit, to see who signals when."),
    ] = False,
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds that a test job may wait to begin.", min=1)
    ] = 120.0,
    json_: JsonOption = False,
) -> int:
    """Check whether a cluster is fit for it: one line a check, fine, warning or wrong.

    Submits a test job of a few seconds that asks for what a search would.
    """
    from emtnas_hpc.data.sources import REGISTRY
    from emtnas_hpc.settings.loading import load_experiment
    from emtnas_hpc.slurm.doctor import Doctor

    order = Doctor(
        load_experiment(experiment, tuple(set_), registry=REGISTRY),
        make_job_options(profile, partition, "", gpus, sbatch),
        runs,
        data,
        check_device_name(device),
        prepare_hint(experiment, tuple(set_), data),
        signals,
        patience,
    )
    return examine_site(order, as_json=json_)


_STYLES = {Grade.FINE: "green", Grade.WARNING: "yellow", Grade.WRONG: "bold red"}
_WIDTH = max(len(grade.value) for grade in Grade)
_CHECK_WIDTH = 18


def examine_site(order: Doctor, *, as_json: bool) -> int:
    """Examines and prints.

    Returns:
        The exit code: failed if anything is wrong.
    """
    screen = open_screen()
    findings: list[CheckResult] = []
    for finding in run_checks(order, _say):
        findings.append(finding)
        if not as_json:
            screen.print(_line(finding))
            sys.stdout.flush()
    if as_json:
        print(json.dumps([_values(finding) for finding in findings], indent=2))
    is_wrong = any(finding.grade is Grade.WRONG for finding in findings)
    return console.FAILED if is_wrong else console.DONE


def _line(finding: CheckResult) -> Text:
    grade = finding.grade.value.ljust(_WIDTH)
    check = finding.check.ljust(_CHECK_WIDTH)
    return Text.assemble((grade, _STYLES[finding.grade]), f"  {check}  {one_line(finding)}")


def _values(finding: CheckResult) -> dict[str, str]:
    return {
        "check": finding.check,
        "grade": finding.grade.value,
        "found": one_line(finding.found),
        "advice": one_line(finding.advice),
    }


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
