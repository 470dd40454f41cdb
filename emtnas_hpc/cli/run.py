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
from emtnas_hpc.cli.events import Event, Listener, Who, callbacks_of, log_to_listener, of_experiment
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
    order = RunOrder(
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
    return run_seeds(order, as_json=json_, as_events=events)


@dataclass(frozen=True)
class RunOrder:
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
    by_experiment: Sequence[Sequence[PlacedSeed]], order: RunOrder, listener: Listener
) -> list[PlacedSeed]:
    """The seeds of all experiments, no run directory twice."""
    placement = Placement(order.experiment, order.runs, other_names=not order.name)
    placed = []
    for seeds in by_experiment:
        first = seeds[0].who
        tell = of_experiment(first.experiment, listener)
        with log_to_listener(first.seed, tell), prepare_hints(order.prepare_hint):
            ready = placement.place(seeds, needs_data=bool(first.experiment))
        for seed in ready:
            if seed.moved:
                tell(Event(seed.who.seed, "message", text=seed.said))
            placed.append(seed)
    return placed


def refuse_unwritable(requests: Sequence[RunSpec], runs: Path) -> None:
    """Run directories that cannot be made; one that is there may be finished, and only read."""
    for directory in (request.paths.directory for request in requests):
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


def run_seeds(order: RunOrder, *, as_json: bool, as_events: bool) -> int:
    """Carries out an order and, when all of it is done, prints the report.

    Returns:
        The exit code.
    """
    with opened_once():
        return _run_seeds(order, as_json=as_json, as_events=as_events)


def _run_seeds(order: RunOrder, *, as_json: bool, as_events: bool) -> int:
    all_named = load_named(order.experiment, order.overrides, order.name)
    by_experiment = [order.jobs(named, one_of_several=len(all_named) > 1) for named in all_named]
    jobs = [job for some in by_experiment for job in some]
    if as_events:
        return _run_one_by_one(jobs, order, _tell)
    steps = {job.who: job.named.experiment.search.generations for job in jobs}
    with open_display(steps) as listener:
        jobs = place_all(by_experiment, order, listener)
        refuse_unwritable([job.spec for job in jobs], order.runs)
        if order.parallel > 1 and len(jobs) > 1:
            commands = {job.who: order.child_command(job) for job in jobs}
            code = run_in_children(commands, order.parallel, listener)
        else:
            code = _run_one_by_one(jobs, order, listener)
    if code == console.STOPPED:
        print("stopped with work left; the same command goes on from there", file=sys.stderr)
    if code == console.DONE:
        # pandas, which a search has no use for.
        from emtnas_hpc.cli.report import print_report

        print_report([job.spec.paths.directory for job in jobs], as_json=as_json)
    return code


_RunSeed: TypeAlias = Callable[[RunSpec, Listener, StopRequest], int]


def _run_one_by_one(jobs: Sequence[PlacedSeed], order: RunOrder, listener: Listener) -> int:
    """A seed that fails does not keep the others from their search; a stop ends all."""
    run_seed: _RunSeed = prepare_hints(order.prepare_hint)(_run_seed)
    if len(jobs) > 1:
        run_seed = partial(_run_or_say, run_seed, debug=order.debug)
    codes = []
    with StopRequest() as stop:
        for job in jobs:
            tell = of_experiment(job.who.experiment, listener)
            codes.append(console.STOPPED if stop.requested else run_seed(job.spec, tell, stop))
            tell(Event(job.who.seed, "end"))
    return console.combine(codes)


def _run_or_say(
    run_seed: _RunSeed, request: RunSpec, listener: Listener, stop: StopRequest, *, debug: bool
) -> int:
    return run_or_say(
        lambda: run_seed(request, listener, stop),
        lambda line: listener(Event(request.seed, "message", text=f"error: {line}")),
        debug=debug,
    )


def _run_seed(request: RunSpec, listener: Listener, stop: StopRequest) -> int:
    for text in _marks(request):
        listener(Event(request.seed, "message", text=text))
    with log_to_listener(request.seed, listener):
        outcome = run_stages(request, RunContext(stop, callbacks_of(request.seed, listener)))
    if outcome is Outcome.MORE:
        return console.STOPPED
    listener(Event(request.seed, "message", text=_finished(request.experiment)))
    return console.DONE


def _marks(request: RunSpec) -> Iterator[str]:
    """What keeps jobs from a run, but not whoever asks for it here."""
    paths = request.paths
    for mark in (paths.cancelled, paths.failed):
        reason = read_flag(mark)
        if reason is not None and pending_stages(paths, request.experiment, request.seed):
            yield f"no job goes on with it, since it is marked as {mark.name} ({reason}); this does"


def _finished(experiment: Experiment) -> str:
    n_retrainings = len(stages_of(experiment)) - 1
    plural = "s" if n_retrainings > 1 else ""
    and_more = f" and {n_retrainings} retraining{plural}" if n_retrainings else ""
    return f"finished, {experiment.search.generations} generations{and_more}"


def _tell(event: Event) -> None:
    try:
        print(event.to_json(), flush=True)
    except ReaderLeft:
        # Whoever started us is gone. Nobody will look after us: stop in good order.
        os.kill(os.getpid(), signal.SIGTERM)
