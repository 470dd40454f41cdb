"""`run`: search in the foreground."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.paths import seed_run
from emtnas_hpc.cli import console
from emtnas_hpc.cli.children import run_in_children, run_or_say
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
from emtnas_hpc.cli.seeds import Named, PlacedSeed, Placement, load_named
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
from emtnas_hpc.slurm.jobs import read_flag


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
    options = RunOptions(
        experiment,
        tuple(set_),
        name,
        parse_seeds(seeds),
        check_parallel(parallel),
        runs,
        data,
        check_device_name(device),
        take_over,
        debug=bool(context.obj),
    )
    return run_seeds(options, as_json=json_, as_events=events)


@dataclass(frozen=True)
class RunOptions:
    """The arguments of `run`, as the user gave them."""

    experiment: str
    overrides: tuple[str, ...]
    name: str | None
    seeds: tuple[int, ...]
    parallel: int
    runs: Path
    data: Path
    device: str
    take_over: bool
    debug: bool = False

    @property
    def prepare_hint(self) -> str:
        """What to type to prepare the data."""
        return prepare_hint(self.experiment, self.overrides, self.data)

    def jobs(self, named: Named, *, one_of_several: bool) -> list[PlacedSeed]:
        """All seeds of an experiment."""
        name = named.experiment.name
        return [
            PlacedSeed(
                named,
                RunSpec(
                    named.experiment,
                    seed,
                    seed_run(self.runs, name, seed),
                    self.data,
                    device=self.device,
                    take_over=self.take_over,
                ),
                Who(seed, name if one_of_several else ""),
            )
            for seed in self.seeds
        ]

    def child_command(self, job: PlacedSeed) -> list[str]:
        """The command that carries out one job and tells its events on stdout."""
        where = ["--runs", str(self.runs), "--data", str(self.data), "--device", self.device]
        name = ["--name", job.spec.experiment.name]
        which = [*name, "--seeds", f"{job.spec.seed},", *["--take-over"] * self.take_over]
        # Without -P a file of the user's named like a module of ours would be imported.
        program = [sys.executable, "-P", "-m", "emtnas_hpc", *["--debug"] * self.debug, "run"]
        return [*program, *job.named.typed.words, *which, *where, "--events"]


def place_all(
    by_experiment: Sequence[Sequence[PlacedSeed]], options: RunOptions, listener: Listener
) -> list[PlacedSeed]:
    """The seeds of all experiments, no run directory twice."""
    placement = Placement(options.experiment, options.runs, other_names=not options.name)
    placed = []
    for seeds in by_experiment:
        first = seeds[0].who
        tell = of_experiment(first.experiment, listener)
        with log_to_listener(first.seed, tell), prepare_hints(options.prepare_hint):
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


def run_seeds(options: RunOptions, *, as_json: bool, as_events: bool) -> int:
    """Runs all seeds and, when all of it is done, prints the report.

    Returns:
        The exit code.
    """
    with opened_once():
        return _run_seeds(options, as_json=as_json, as_events=as_events)


def _run_seeds(options: RunOptions, *, as_json: bool, as_events: bool) -> int:
    all_named = load_named(options.experiment, options.overrides, options.name)
    by_experiment = [options.jobs(named, one_of_several=len(all_named) > 1) for named in all_named]
    jobs = [job for some in by_experiment for job in some]
    if as_events:
        return _run_one_by_one(jobs, options, _tell)
    steps = {job.who: job.named.experiment.search.generations for job in jobs}
    with open_display(steps) as listener:
        jobs = place_all(by_experiment, options, listener)
        refuse_unwritable([job.spec for job in jobs], options.runs)
        if options.parallel > 1 and len(jobs) > 1:
            commands = {job.who: options.child_command(job) for job in jobs}
            code = run_in_children(commands, options.parallel, listener)
        else:
            code = _run_one_by_one(jobs, options, listener)
    if code == console.STOPPED:
        print("stopped with work left; the same command goes on from there", file=sys.stderr)
    if code == console.DONE:
        # pandas, which a search has no use for.
        from emtnas_hpc.cli.report import print_report

        print_report([job.spec.paths.directory for job in jobs], as_json=as_json)
    return code


_RunSeed: TypeAlias = Callable[[RunSpec, Listener, StopRequest], int]


def _run_one_by_one(jobs: Sequence[PlacedSeed], options: RunOptions, listener: Listener) -> int:
    """A seed that fails does not keep the others from their search; a stop ends all."""
    run_seed: _RunSeed = prepare_hints(options.prepare_hint)(_run_seed)
    if len(jobs) > 1:
        run_seed = partial(_run_or_say, run_seed, debug=options.debug)
    codes = []
    with StopRequest() as stop:
        for job in jobs:
            tell = of_experiment(job.who.experiment, listener)
            codes.append(console.STOPPED if stop.requested else run_seed(job.spec, tell, stop))
            tell(SeedEvent(job.who.seed, "end"))
    return console.combine(codes)


def _run_or_say(
    run_seed: _RunSeed, spec: RunSpec, listener: Listener, stop: StopRequest, *, debug: bool
) -> int:
    return run_or_say(
        lambda: run_seed(spec, listener, stop),
        lambda line: listener(SeedEvent(spec.seed, "message", text=f"error: {line}")),
        debug=debug,
    )


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
