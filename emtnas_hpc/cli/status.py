"""`status`: every run at a glance."""

import json
import math
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from emtnas_hpc.checkpoint.paths import SEARCH
from emtnas_hpc.cli.console import format_duration, make_table, one_line, open_screen
from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption
from emtnas_hpc.cli.runs import find_runs
from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.queue import Accounts
from emtnas_hpc.slurm.reconcile import State
from emtnas_hpc.slurm.snapshot import StageProgress
from emtnas_hpc.slurm.status import SeedStatus, StatusTable, read_status_table


def status(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    runs: RunsOption = Path("runs"),
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 10 s until nothing moves, or Ctrl-C.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Show where every seed is: in the queue, at work, done, or why not.

    From the run directories, joined with one call of squeue and at most one of sacct. Works while
    searches run, in the foreground as well, and without SLURM. What may not be read is shown as
    unreadable, with whom it belongs to.
    """
    if watch and json_:
        raise InputError("--watch and --json exclude each other; give one of them")
    directories = find_runs(run, runs)
    if watch:
        _watch(directories)
    else:
        print_status(directories, as_json=json_)


_COLUMNS = ("stage", "true %", "test %", "s/step", "left", "jobs", "req.", "heard")
#: Columns of a screen that has room for everything in one line a seed.
_WIDE = 120
#: What may be as wide as it likes is what can be broken.
_BREAKABLE = ("stage", "true %", "test %")
_LEGEND = (
    "true: the best so far on the whole validation set; step: a generation or an epoch; "
    "left: work without queueing; req.: how often SLURM requeued a job; heard: ago, the last "
    "sign of life."
)
_TEST = "test: of the best network that was trained from scratch, once it is; "
_PARTLY = "+ more: retraining without a measured epoch yet; "
_STYLES = {
    State.RUNNING: "green",
    State.DONE: "bold green",
    State.FAILED: "bold red",
    State.LOST: "bold red",
    State.UNREADABLE: "bold red",
    State.CANCELLED: "dim",
    State.STOPPED: "yellow",
}

#: Of a retraining's name all but its recipe, which is the same for a whole run.
_WITHOUT_RECIPE = re.compile(r"retraining/(.+?-n\d+)-")


def _render(table: StatusTable, screen: Console) -> Group:
    """The table, its notes and its legend; where the screen is narrow, one thing below another."""
    notes = [note for seed in table.seeds for note in _notes(seed)]
    if table.remark:
        notes.append(Text(one_line(table.remark)))
    cells = _cell_table(table, narrow=screen.width < _WIDE)
    return Group(cells, Text(), *notes, Text(_legend(table), "dim"))


def _legend(table: StatusTable) -> str:
    tested = any(_tests(seed) for seed in table.seeds)
    partly = any(_is_partly_known(seed) for seed in table.seeds)
    return _TEST * tested + _PARTLY * partly + _LEGEND


def _cell_table(table: StatusTable, *, narrow: bool) -> Table:
    tested = any(_tests(seed) for seed in table.seeds)
    shown = [heading for heading in _COLUMNS if tested or heading != "test %"]
    if narrow:
        shown.remove("s/step")
    grid = make_table()
    grid.add_column("run", overflow="fold")
    if not narrow:
        grid.add_column("state", no_wrap=True)
    for heading in shown:
        breakable = heading in _BREAKABLE
        grid.add_column(heading, justify="right", no_wrap=not breakable, overflow="fold")
    for seed in table.seeds:
        cells = _narrow_cells(seed) if narrow else _cells(seed)
        grid.add_row(*_first_cells(seed, narrow), *(Text(cells[heading]) for heading in shown))
    return grid


def _first_cells(seed: SeedStatus, narrow: bool) -> list[Text]:
    state = seed.status.state
    name, shown = Text(_name(seed)), Text(state.value, _STYLES.get(state, ""))
    return [Text("\n").join([name, shown])] if narrow else [name, shown]


def _name(seed: SeedStatus) -> str:
    directory = seed.run.paths.directory
    return "/".join(directory.parts[-2:])


def _cells(seed: SeedStatus) -> dict[str, str]:
    silent_s = seed.run.silent_s
    return {
        "stage": " ".join(_stage(seed)),
        "true %": ", ".join(_percents(_true_fitness(seed).items())) or "-",
        "test %": ", ".join(_percents(_tests(seed).items())) or "-",
        "s/step": "-" if math.isnan(seed.seconds) else f"{seed.seconds:.1f}",
        "left": ", ".join(_left(seed, format_duration)),
        "jobs": str(seed.n_jobs),
        "req.": str(seed.n_requeues),
        "heard": "-" if silent_s is None else _roughly(silent_s),
    }


def _narrow_cells(seed: SeedStatus) -> dict[str, str]:
    """Each a few lines high; a test accuracy stands beside the true one of its task."""
    cells, tested = _cells(seed), _tests(seed)
    pace = [] if math.isnan(seed.seconds) else [f"{cells['s/step']} s"]
    in_order = (tested.pop(name, None) for name, _value in _true_fitness(seed).items())
    return {
        **cells,
        "stage": "\n".join([*_stage(seed), *pace]),
        "true %": "\n".join(_percents(_true_fitness(seed).items())) or "-",
        "test %": "\n".join([*map(_percent, in_order), *_percents(tested.items())]) or "-",
        "left": "\n".join(_left(seed, _roughly)),
    }


def _stage(seed: SeedStatus) -> tuple[str, str]:
    """The stage under way without the label of its recipe, and how far it is."""
    stage = seed.run.active_stage
    short = _WITHOUT_RECIPE.match(stage.name)
    n_steps = "?" if stage.n_steps is None else stage.n_steps
    # Of a run that cannot be read, what is not known to be done may be done.
    step = "?" if seed.run.unreadable and not stage.step else stage.step
    return short[1] if short else stage.name, f"{step}/{n_steps}"


def _left(seed: SeedStatus, shown: Callable[[float], str]) -> list[str]:
    ahead = seed.ahead
    if math.isnan(ahead.seconds):
        return ["-"]
    n_jobs = seed.estimate.n_jobs if seed.estimate else None
    return [
        shown(ahead.seconds),
        *(["+ more"] if _is_partly_known(seed) else []),
        *([f"{n_jobs} jobs"] if n_jobs and n_jobs > 1 else []),
    ]


def _is_partly_known(seed: SeedStatus) -> bool:
    return bool(seed.ahead.unmeasured) and not math.isnan(seed.ahead.seconds)


def _roughly(seconds: float) -> str:
    """The larger of two units will do."""
    return " ".join(format_duration(seconds).split()[:2])


def _true_fitness(seed: SeedStatus) -> Mapping[str, float | None]:
    """The best true accuracy so far of every task, as the search has it."""
    return seed.run.search.accuracies if seed.run.search else {}


def _tests(seed: SeedStatus) -> dict[str, float]:
    """The best test accuracy of every task that has a fully trained network, in [0, 1].

    It is nan where all of them diverged.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for stage in seed.run.stages:
        for task, accuracy in stage.accuracies.items():
            if stage.name != SEARCH and accuracy is not None:
                found[task].append(accuracy)
    return {
        task: max((value for value in values if not math.isnan(value)), default=math.nan)
        for task, values in found.items()
    }


def _diverged(seed: SeedStatus) -> list[str]:
    return [line for stage in seed.run.stages for line in stage.diverged]


def _percents(accuracies: Iterable[tuple[str, float | None]]) -> list[str]:
    return [f"{name} {_percent(value)}" for name, value in accuracies]


def _percent(fraction: float | None) -> str:
    """A dash for what was not measured; nan is of a training that diverged."""
    if fraction is None:
        return "-"
    return "diverged" if math.isnan(fraction) else f"{100 * fraction:.2f}"


def _notes(seed: SeedStatus) -> list[Text]:
    status, warning = seed.status, seed.run.warning
    about = [f"{status.state.value}: {one_line(status.reason)}"] if status.reason else []
    about += [f"{what}: no result, and in no mean of a report" for what in _diverged(seed)]
    if warning and status.state is not State.DONE:
        about.append(f"warning: {one_line(warning)}")
    return [Text(f"{_name(seed)} {line}") for line in about]


def print_status(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the status of these run directories on stdout, and on stderr what went wrong."""
    table = read_status_table(directories)
    _complain(table, set())
    if as_json:
        print(json.dumps(_values(table), indent=2, allow_nan=False))
    else:
        screen = open_screen()
        screen.print(_render(table, screen))


_EVERY_S = 10.0


def _watch(directories: Sequence[Path]) -> None:
    """Shows the status until nothing moves or Ctrl-C: in place on a terminal, else repeated."""
    screen, accounts = open_screen(), Accounts()
    told: set[str] = set()
    in_place = Live(console=screen, auto_refresh=False) if screen.is_terminal else nullcontext()
    with suppress(KeyboardInterrupt), in_place as live:
        while True:
            table = read_status_table(directories, accounts)
            _complain(table, told)
            if live is not None:
                live.update(_render(table, screen), refresh=True)
            else:
                screen.print(time.strftime("%Y-%m-%d %H:%M:%S"))
                screen.print(_render(table, screen))
                screen.print()
                sys.stdout.flush()
            if not table.moves:
                return
            time.sleep(_EVERY_S)


def _complain(table: StatusTable, told: set[str]) -> None:
    """Says on stderr what went wrong, unless that has been said."""
    for problem in table.problems:
        if problem not in told:
            told.add(problem)
            print(one_line(problem), file=sys.stderr)


def _values(table: StatusTable) -> dict[str, Any]:
    return {
        "seeds": [_seed_values(seed) for seed in table.seeds],
        "problems": [*table.problems, *([table.remark] if table.remark else [])],
    }


def _seed_values(seed: SeedStatus) -> dict[str, Any]:
    run, job, search = seed.run, seed.status.job, seed.run.search
    return {
        "directory": str(run.paths.directory),
        "state": seed.status.state.value,
        "reason": seed.status.reason,
        "warning": run.warning,
        "stage": run.active_stage.name,
        "stages": [_stage_values(stage) for stage in run.stages],
        "generation": search.step if search else 0,
        "n_generations": search.n_steps if search else None,
        "true_fitness": {name: _number(value) for name, value in _true_fitness(seed).items()},
        "test_accuracy": {name: _number(value) for name, value in _tests(seed).items()},
        "diverged": _diverged(seed),
        "seconds_per_step": _number(seed.seconds),
        "seconds_left": _number(seed.ahead.seconds),
        "unmeasured_stages": list(seed.ahead.unmeasured),
        "n_jobs_left": seed.estimate.n_jobs if seed.estimate else None,
        "n_jobs": seed.n_jobs,
        "n_requeues": seed.n_requeues,
        "heartbeat_age_s": run.silent_s,
        "job": {"id": job.job_id, "state": job.state, "reason": job.reason, "nodes": job.nodes}
        if job
        else None,
        "jobs_in_queue": [each.job_id for each in run.jobs or ()],
    }


def _stage_values(stage: StageProgress) -> dict[str, Any]:
    return {
        "name": stage.name,
        "step": stage.step,
        "n_steps": stage.n_steps,
        "finished": stage.finished,
        "seconds_per_step": _number(stage.seconds),
        "test_accuracy": _number(stage.test_accuracy),
        "diverged": bool(stage.diverged),
    }


def _number(value: float | None) -> float | None:
    """JSON has neither nan nor infinity."""
    return value if value is not None and math.isfinite(value) else None
