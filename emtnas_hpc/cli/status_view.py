"""The status of all seeds on the screen, once or again and again, or as JSON."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from emtnas_hpc.cli.failures import one_line
from emtnas_hpc.cli.screen import open_screen
from emtnas_hpc.cli.status_table import accuracies, diverged, picture, tests
from emtnas_hpc.cluster.accounting import Accounts
from emtnas_hpc.cluster.stages import StageProgress
from emtnas_hpc.cluster.status import Overview, SeedStatus, survey

_EVERY_S = 10.0


def print_status(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the status of these run directories on stdout, and on stderr what went wrong."""
    overview = survey(directories)
    _complain(overview, set())
    if as_json:
        # Imported here: it brings all formats of the report along.
        from emtnas_hpc.cli.tables import plain

        print(json.dumps(plain(_values(overview)), indent=2, allow_nan=False))
    else:
        screen = open_screen()
        screen.print(picture(overview, screen))


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
                lambda overview: live.update(picture(overview, screen), refresh=True),
            )
    except KeyboardInterrupt:
        return  # the way out of it


def _repeat(
    directories: Sequence[Path],
    told: set[str],
    every_s: float,
    show: Callable[[Overview], None],
) -> None:
    accounts = Accounts()
    while True:
        overview = survey(directories, accounts)
        _complain(overview, told)
        show(overview)
        if not overview.moves:
            return
        time.sleep(every_s)


def _print_dated(overview: Overview, screen: Console) -> None:
    screen.print(time.strftime("%Y-%m-%d %H:%M:%S"))
    screen.print(picture(overview, screen))
    screen.print()
    sys.stdout.flush()


def _complain(overview: Overview, told: set[str]) -> None:
    """Says on stderr what went wrong, unless that has been said."""
    for problem in overview.problems:
        if problem not in told:
            told.add(problem)
            print(one_line(problem), file=sys.stderr)


def _values(overview: Overview) -> dict[str, Any]:
    return {
        "seeds": [_seed_values(seed) for seed in overview.seeds],
        "problems": [*overview.problems, *([overview.remark] if overview.remark else [])],
    }


def _seed_values(seed: SeedStatus) -> dict[str, Any]:
    job = seed.standing.job
    return {
        "directory": seed.sight.paths.directory,
        "state": seed.standing.state.value,
        "reason": seed.standing.reason,
        "warning": seed.sight.warning,
        "stage": seed.sight.under_way.name,
        "stages": [_stage_values(stage) for stage in seed.sight.stages],
        "generation": seed.sight.generation,
        "n_generations": seed.sight.n_generations,
        "true_fitness": dict(accuracies(seed)),
        "test_accuracy": tests(seed),
        "diverged": diverged(seed),
        "seconds_per_step": seed.seconds,
        "seconds_left": seed.ahead.seconds,
        "unmeasured_stages": list(seed.ahead.unmeasured),
        "n_jobs_left": seed.plan.n_jobs if seed.plan else None,
        "n_jobs": seed.n_jobs,
        "n_requeues": seed.n_requeues,
        "heartbeat_age_s": seed.sight.evidence.silent_s,
        "job": {"id": job.job_id, "state": job.state, "reason": job.reason, "nodes": job.nodes}
        if job
        else None,
        "jobs_in_queue": [each.job_id for each in seed.sight.evidence.jobs or ()],
    }


def _stage_values(stage: StageProgress) -> dict[str, Any]:
    return {
        "name": stage.name,
        "step": stage.step,
        "n_steps": stage.n_steps,
        "finished": stage.finished,
        "seconds_per_step": stage.seconds,
        "test_accuracy": stage.test_accuracy,
        "diverged": stage.diverged,
    }
