"""`run`: search in the foreground."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.paths import runs_of
from emtnas_hpc.cli import console
from emtnas_hpc.cli.children import run_in_children, run_or_log
from emtnas_hpc.cli.console import ReaderLeft
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import (
    Listener,
    SeedEvent,
    Who,
    callbacks_of,
    log_to_listener,
    of_experiment,
)
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    ExperimentsArgument,
    JsonOption,
    NameOption,
    RunsOption,
    SeedsOption,
    SetOption,
    check_parallel,
    parse_seeds,
)
from emtnas_hpc.cli.seeds import PlacedSeed, Placement, load_named, warn_of_no_effect
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.errors import InputError, StorageError
from emtnas_hpc.pipeline import pending_stages, run_stages
from emtnas_hpc.progress import stages_of
from emtnas_hpc.runner.context import RunContext
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_hint, prepare_hints
from emtnas_hpc.slurm.job_files import read_flag


def run(
    context: typer.Context,
    experiment: ExperimentsArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    name: NameOption = None,
    seeds: SeedsOption = "1",
    parallel: Annotated[int, typer.Option(help="Seeds at a time, a process each.")] = 1,
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run from its owner, dead or alive.")
    ] = False,
    json_: JsonOption = False,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
) -> int:
    """Search in the foreground; a run that is there goes on where it was.

    Ctrl-C stops in good order; the same command goes on, with the images that the run began with.
    """
    numbers, parallel = parse_seeds(seeds), check_parallel(parallel)
    device, debug = check_device_name(device), bool(context.obj)
    hint = prepare_hint(experiment, set_, data)
    run_here = partial(_run_one_by_one, hint=hint, debug=debug)
    with opened_once():
        all_named = load_named(experiment, set_, name)
        by_experiment = [
            named.seeds(numbers, runs, data, device=device, take_over=take_over)
            for named in all_named
        ]
        if len(all_named) == 1:
            # Whose seeds they are need not be said.
            by_experiment = [[replace(s, who=Who(s.who.seed)) for s in by_experiment[0]]]
        placed = [seed for some in by_experiment for seed in some]
        if events:
            return run_here(placed, _tell)
        warn_of_no_effect(set_, all_named)
        steps = {seed.who: seed.named.experiment.search.generations for seed in placed}
        with open_display(steps) as listener:
            placement = Placement(experiment, runs, other_names=not name)
            placed = place_all(by_experiment, placement, listener, hint=hint)
            refuse_unwritable([seed.spec for seed in placed], runs)
            if parallel > 1 and len(placed) > 1:
                commands = {seed.who: child_command(seed, debug=debug) for seed in placed}
                code = run_in_children(commands, parallel, listener)
            else:
                code = run_here(placed, listener)
        if code == console.STOPPED:
            print("stopped with work left; the same command goes on from there", file=sys.stderr)
        if code == console.DONE:
            # pandas, which a search has no use for.
            from emtnas_hpc.cli.report import print_report

            shown = [seed.spec.paths.directory for seed in placed]
            print_report(shown, as_json=json_)
            _tell_of_others(shown)
        return code


def _tell_of_others(shown: Sequence[Path]) -> None:
    """Says where there are seeds that the table leaves out."""
    for folder in dict.fromkeys(directory.parent for directory in shown):
        if n_others := sum(run.directory not in shown for run in runs_of(folder)):
            seeds = "1 more seed" if n_others == 1 else f"{n_others} more seeds"
            print(f"{folder} has {seeds}; emtnas-hpc report {folder} shows all", file=sys.stderr)


def child_command(seed: PlacedSeed, *, debug: bool) -> list[str]:
    """The command that runs one seed and tells its events on stdout."""
    spec = seed.spec
    runs = spec.paths.directory.parent.parent
    where = ["--runs", str(runs), "--data", str(spec.data_dir), "--device", spec.device]
    which = ["--name", spec.experiment.name, "--seeds", f"{spec.seed},"]
    take_over = ["--take-over"] * spec.take_over
    # Without -P a file of the user's named like a module of ours would be imported.
    program = [sys.executable, "-P", "-m", "emtnas_hpc", *["--debug"] * debug, "run"]
    return [*program, *seed.named.typed.words, *which, *take_over, *where, "--events"]


def place_all(
    by_experiment: Sequence[Sequence[PlacedSeed]],
    placement: Placement,
    listener: Listener,
    *,
    hint: str,
) -> list[PlacedSeed]:
    """The seeds of all experiments, no run directory twice; `hint` prepares their data."""
    placed = []
    for seeds in by_experiment:
        first = seeds[0].who
        tell = of_experiment(first.experiment, listener)
        # Of a study, data that is missing is refused before its first search takes days.
        with log_to_listener(first.seed, tell), prepare_hints(hint):
            ready = placement.place(seeds, needs_data=bool(first.experiment))
        for seed in ready:
            if seed.moved:
                tell(SeedEvent(seed.who.seed, "message", text=seed.said))
            placed.append(seed)
    return placed


def refuse_unwritable(specs: Sequence[RunSpec], runs: Path) -> None:
    """Run directories that cannot be made; one that is there may be finished, and only read."""
    for directory in (spec.paths.directory for spec in specs):
        try:
            existing = next(p for p in (directory, *directory.parents) if is_there(p))
        except StorageError:
            continue  # its own start says why
        try:
            if existing != directory:
                # Root may write wherever permissions are asked for, and yet not everywhere.
                tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            raise InputError(
                f"--runs is {str(runs)!r}, where {directory} cannot be made ({error.strerror}); "
                "choose another directory"
            ) from None


def _run_one_by_one(
    seeds: Sequence[PlacedSeed], listener: Listener, *, hint: str, debug: bool
) -> int:
    """A seed that fails does not keep the others from their search; a stop ends all."""
    codes = []
    with StopRequest() as stop:
        for seed in seeds:
            tell = of_experiment(seed.who.experiment, listener)
            run_seed = prepare_hints(hint)(partial(_run_seed, seed.spec, tell, stop))
            if stop.requested:
                codes.append(console.STOPPED)
            elif len(seeds) == 1:
                codes.append(run_seed())
            else:
                with log_to_listener(seed.who.seed, tell):
                    codes.append(run_or_log(run_seed, debug=debug))
            tell(SeedEvent(seed.who.seed, "end"))
    return console.combine(codes)


def _run_seed(spec: RunSpec, listener: Listener, stop: StopRequest) -> int:
    for text in _flags(spec):
        listener(SeedEvent(spec.seed, "message", text=text))
    with log_to_listener(spec.seed, listener):
        outcome = run_stages(spec, RunContext(stop, callbacks_of(spec.seed, listener)))
    if outcome is Outcome.MORE:
        return console.STOPPED
    listener(SeedEvent(spec.seed, "message", text=_finished(spec.experiment)))
    return console.DONE


def _flags(spec: RunSpec) -> Iterator[str]:
    """The flags that keep jobs from a run, but not this command."""
    paths = spec.paths
    for flag in (paths.cancelled, paths.failed):
        reason = read_flag(flag)
        if reason is not None and pending_stages(paths, spec.experiment, spec.seed):
            yield f"marked {flag.name} ({reason}): jobs skip it, this command continues it"


def _finished(experiment: Experiment) -> str:
    n_retrainings = len(stages_of(experiment)) - 1
    plural = "s" if n_retrainings > 1 else ""
    and_more = f" and {n_retrainings} retraining{plural}" if n_retrainings else ""
    return f"finished, {experiment.search.generations} generations{and_more}"


def _tell(event: SeedEvent) -> None:
    try:
        print(event.to_json(), flush=True)
    except ReaderLeft:
        # The process that started this one is gone: stop in good order.
        os.kill(os.getpid(), signal.SIGTERM)
