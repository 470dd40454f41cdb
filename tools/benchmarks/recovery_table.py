"""Recoveries as a table in Markdown."""

import statistics
from collections.abc import Callable, Sequence

from benchmarks.recovery_incidents import Incident
from benchmarks.recovery_moments import Recovery

_COLUMNS = (
    *("what ends a job", "what happens", "goes on in"),
    *("next start, s", "computes, s", "commits, s"),
    "of SLURM's waiting times",
)


def as_markdown(rows: Sequence[tuple[Incident, Sequence[Recovery]]]) -> str:
    """The table; of several measurements the median, and the range in brackets."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    return "\n".join([*lines, *(_line(_cells(*row)) for row in rows)])


def _cells(incident: Incident, found: Sequence[Recovery]) -> Sequence[str]:
    seconds = (
        _seconds(found, lambda each: each.slurm_s),
        _seconds(found, lambda each: each.ours_s),
        _seconds(found, lambda each: each.commit_s),
    )
    return (incident.what, incident.happens, _carriers(found), *seconds, incident.of_slurm)


def _carriers(found: Sequence[Recovery]) -> str:
    names = {"the same job" if each.in_the_same_job else "its standby job" for each in found}
    return " or ".join(sorted(names)) or "failed"


def _seconds(found: Sequence[Recovery], of: Callable[[Recovery], float]) -> str:
    values = sorted(of(each) for each in found)
    if not values:
        return "failed"
    median = f"{statistics.median(values):.0f}"
    return median if len(values) == 1 else f"{median} ({values[0]:.0f}-{values[-1]:.0f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
