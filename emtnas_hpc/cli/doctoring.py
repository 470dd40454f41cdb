"""What `doctor` does: a line a finding as soon as it is there, and an exit code."""

import json
import sys

from rich.text import Text

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.failures import one_line
from emtnas_hpc.cli.screen import open_screen
from emtnas_hpc.cluster.doctor.examination import Examination, examine
from emtnas_hpc.cluster.doctor.finding import Finding, Grade

_STYLES = {Grade.FINE: "green", Grade.WARNING: "yellow", Grade.WRONG: "bold red"}
_WIDTH = max(len(grade.value) for grade in Grade)
_CHECK_WIDTH = 18


def examine_site(order: Examination, *, as_json: bool) -> int:
    """Examines and prints.

    Returns:
        The exit code: failed if anything is wrong.
    """
    screen = open_screen()
    findings: list[Finding] = []
    for finding in examine(order, _say):
        findings.append(finding)
        if not as_json:
            screen.print(_line(finding))
            sys.stdout.flush()
    if as_json:
        print(json.dumps([_values(finding) for finding in findings], indent=2))
    is_wrong = any(finding.grade is Grade.WRONG for finding in findings)
    return exit_codes.FAILED if is_wrong else exit_codes.DONE


def _line(finding: Finding) -> Text:
    grade = finding.grade.value.ljust(_WIDTH)
    check = finding.check.ljust(_CHECK_WIDTH)
    return Text.assemble((grade, _STYLES[finding.grade]), f"  {check}  {one_line(finding)}")


def _values(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "grade": finding.grade.value,
        "found": one_line(finding.found),
        "advice": one_line(finding.advice),
    }


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
