"""The status of all seeds on the screen, once or again and again, or as JSON."""

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emtnas_hpc.cli.failures import one_line
from emtnas_hpc.cli.formats import format_duration
from emtnas_hpc.cli.screen import make_table, open_screen
from emtnas_hpc.cli.tables import plain
from emtnas_hpc.cluster.state import State
from emtnas_hpc.cluster.status import Overview, SeedStatus, survey

_EVERY_S = 10.0
_COLUMNS = ("gen.", "true %", "s/gen.", "left", "jobs", "req.", "heard")
_LEGEND = (
    "true: the best so far on the whole validation set; left: work without queueing; "
    "req.: how often SLURM requeued a job; heard: ago, the last sign of life."
)
_STYLES = {
    State.RUNNING: "green",
    State.DONE: "bold green",
    State.FAILED: "bold red",
    State.LOST: "bold red",
    State.CANCELLED: "dim",
    State.STOPPED: "yellow",
}


def print_status(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the status of these run directories on stdout, and on stderr what went wrong."""
    overview = survey(directories)
    _complain(overview, set())
    if as_json:
        print(json.dumps(plain(_values(overview)), indent=2, allow_nan=False))
    else:
        screen = open_screen()
        screen.print(_picture(overview, screen))


def watch_status(directories: Sequence[Path], *, every_s: float = _EVERY_S) -> None:
    """Shows the status until nothing moves or Ctrl-C: in place on a terminal, else repeated."""
    screen = open_screen()
    told: set[str] = set()
    try:
        if not screen.is_terminal:
            _repeat(directories, told, every_s, lambda overview: _print_dated(overview, screen))
            return
        with Live(console=screen, auto_refresh=False) as live:
            _repeat(
                directories,
                told,
                every_s,
                lambda overview: live.update(_picture(overview, screen), refresh=True),
            )
    except KeyboardInterrupt:
        return  # the way out of it


def _repeat(
    directories: Sequence[Path],
    told: set[str],
    every_s: float,
    show: Callable[[Overview], None],
) -> None:
    while True:
        overview = survey(directories)
        _complain(overview, told)
        show(overview)
        if not overview.moves:
            return
        time.sleep(every_s)


def _print_dated(overview: Overview, screen: Console) -> None:
    screen.print(time.strftime("%Y-%m-%d %H:%M:%S"))
    screen.print(_picture(overview, screen))
    screen.print()
    sys.stdout.flush()


def _complain(overview: Overview, told: set[str]) -> None:
    """Says on stderr what went wrong, unless that has been said."""
    for problem in overview.problems:
        if problem not in told:
            told.add(problem)
            print(one_line(problem), file=sys.stderr)


def _picture(overview: Overview, screen: Console) -> Group:
    notes = [_note(seed) for seed in overview.seeds if seed.standing.reason]
    table = _table(overview, narrow=screen.is_terminal)
    return Group(table, Text(), *notes, Text(_LEGEND, "dim"))


def _table(overview: Overview, *, narrow: bool) -> Table:
    table = make_table()
    table.add_column("run", overflow="fold")
    table.add_column("state", no_wrap=True)
    for heading in _COLUMNS:
        # What may be as wide as it likes is what can be broken.
        breakable = heading == "true %"
        table.add_column(heading, justify="right", no_wrap=not breakable, overflow="fold")
    for seed in overview.seeds:
        state = seed.standing.state
        style = _STYLES.get(state, "")
        table.add_row(Text(_name(seed)), Text(state.value, style), *_cells(seed, narrow))
    return table


def _name(seed: SeedStatus) -> str:
    directory = seed.sight.paths.directory
    return "/".join(directory.parts[-2:])


def _cells(seed: SeedStatus, narrow: bool) -> tuple[str, ...]:
    between = "\n" if narrow else ", "
    total = seed.sight.n_generations
    last = seed.sight.evidence.last
    return (
        f"{seed.sight.generation}/{'?' if total is None else total}",
        between.join(f"{name} {_percent(value)}" for name, value in _accuracies(seed)) or "-",
        "-" if math.isnan(seed.seconds) else f"{seed.seconds:.1f}",
        between.join(_left(seed)),
        str(seed.n_jobs),
        str(seed.n_requeues),
        _roughly(last.silent_s) if last else "-",
    )


def _left(seed: SeedStatus) -> list[str]:
    if math.isnan(seed.seconds_left):
        return ["-"]
    n_jobs = seed.plan.n_jobs if seed.plan else None
    return [
        format_duration(seed.seconds_left),
        *([f"{n_jobs} jobs"] if n_jobs and n_jobs > 1 else []),
    ]


def _roughly(seconds: float) -> str:
    """The larger of two units will do."""
    return " ".join(format_duration(seconds).split()[:2])


def _accuracies(seed: SeedStatus) -> list[tuple[str, float]]:
    progress = seed.sight.progress
    if progress is None:
        return []
    names = [task.name for task in progress.header.tasks]
    return list(zip(names, progress.true_fitness, strict=True))


def _percent(fraction: float) -> str:
    return "-" if math.isnan(fraction) else f"{100 * fraction:.2f}"


def _note(seed: SeedStatus) -> Text:
    return Text(f"{_name(seed)} {seed.standing.state.value}: {one_line(seed.standing.reason)}")


def _values(overview: Overview) -> dict[str, Any]:
    return {
        "seeds": [_seed_values(seed) for seed in overview.seeds],
        "problems": list(overview.problems),
    }


def _seed_values(seed: SeedStatus) -> dict[str, Any]:
    job = seed.standing.job
    last = seed.sight.evidence.last
    return {
        "directory": seed.sight.paths.directory,
        "state": seed.standing.state.value,
        "reason": seed.standing.reason,
        "generation": seed.sight.generation,
        "n_generations": seed.sight.n_generations,
        "true_fitness": dict(_accuracies(seed)),
        "seconds_per_generation": seed.seconds,
        "seconds_left": seed.seconds_left,
        "n_jobs_left": seed.plan.n_jobs if seed.plan else None,
        "n_jobs": seed.n_jobs,
        "n_requeues": seed.n_requeues,
        "heartbeat_age_s": last.silent_s if last else None,
        "job": {"id": job.job_id, "state": job.state, "reason": job.reason, "nodes": job.nodes}
        if job
        else None,
        "jobs_in_queue": [each.job_id for each in seed.sight.evidence.jobs or ()],
    }
