"""What `run` does: one seed after the other in this process, or side by side in children."""

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from emtnas_hpc.agenda.remaining import stages_of
from emtnas_hpc.agenda.session import carry_on
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.children import run_in_children
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Event, Listener, TaskProgress
from emtnas_hpc.cli.failures import describe_failure
from emtnas_hpc.cli.named_experiment import load_named
from emtnas_hpc.cli.options import prepare_command
from emtnas_hpc.cli.retraining_events import retraining_events
from emtnas_hpc.cli.stdout import ReaderLeft
from emtnas_hpc.cli.tables import print_report
from emtnas_hpc.errors import DataError, InputError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome, Progress
from emtnas_hpc.search.run_directory import refuse_other_settings
from emtnas_hpc.search.session import Listeners, SearchRequest, plan_search
from emtnas_hpc.store.paths import seed_run


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

    def child_command(self, seed: int) -> list[str]:
        """The command that searches one seed and tells its events on stdout."""
        where = ["--runs", str(self.runs), "--data", str(self.data), "--device", self.device]
        name = [] if self.name is None else ["--name", self.name]
        which = [*name, "--seeds", f"{seed},", *["--take-over"] * self.take_over]
        what = [self.experiment, *(w for text in self.overrides for w in ("--set", text))]
        program = [sys.executable, "-m", "emtnas_hpc", *["--debug"] * self.debug, "run"]
        return [*program, *what, *which, *where, "--events"]


def run_seeds(order: RunOrder, *, as_json: bool, as_events: bool) -> int:
    """Carries out an order and, when all of it is done, prints the report.

    Returns:
        The exit code.
    """
    experiment = load_named(order.experiment, order.overrides, order.name)
    order = replace(order, name=experiment.name)  # once, for all children
    requests = _requests(order, experiment)
    if as_events:
        return _run_one_by_one(requests, _tell, debug=order.debug)
    with open_display(order.seeds, experiment.search.generations) as listener:
        _refuse_other_settings(requests, listener)
        _refuse_unwritable(requests, order.runs)
        if order.parallel > 1 and len(order.seeds) > 1:
            commands = {seed: order.child_command(seed) for seed in order.seeds}
            code = run_in_children(commands, order.parallel, listener)
        else:
            code = _run_one_by_one(requests, listener, debug=order.debug)
    if code == exit_codes.STOPPED:
        print("stopped with work left; the same command goes on from there", file=sys.stderr)
    if code == exit_codes.DONE:
        print_report([request.paths.directory for request in requests], as_json=as_json)
    return code


def _requests(order: RunOrder, experiment: Experiment) -> list[SearchRequest]:
    mend = prepare_command(order.experiment, order.overrides, order.data)
    return [
        SearchRequest(
            experiment,
            seed,
            seed_run(order.runs, experiment.name, seed),
            order.data,
            order.device,
            mend,
            order.take_over,
        )
        for seed in order.seeds
    ]


def _refuse_other_settings(requests: Sequence[SearchRequest], listener: Listener) -> None:
    """Before the first seed has searched for days, not when the second one begins."""
    try:
        plan = plan_search(requests[0], listeners_of(requests[0].seed, listener).say)
    except DataError:
        return  # it may be finished; if not, its own start says what is missing
    for request in requests:
        refuse_other_settings(request.paths, replace(plan, seed=request.seed))


def _refuse_unwritable(requests: Sequence[SearchRequest], runs: Path) -> None:
    """Run directories that cannot be made; one that is there may be finished, and only read."""
    for directory in (request.paths.directory for request in requests):
        existing = next(p for p in (directory, *directory.parents) if os.path.lexists(p))
        try:
            if existing != directory:
                # Root may write wherever permissions are asked for, and yet not everywhere.
                tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            raise InputError(
                f"--runs is {str(runs)!r}, where {directory} cannot be made ({error.strerror}); "
                "choose another directory"
            ) from None


def _run_one_by_one(requests: Sequence[SearchRequest], listener: Listener, *, debug: bool) -> int:
    """A seed that fails does not keep the others from their search; a stop ends all."""
    run_seed = _run_seed if len(requests) == 1 else partial(_run_or_say, debug=debug)
    with StopRequest() as stop:
        return exit_codes.combine(
            [
                exit_codes.STOPPED if stop.requested else run_seed(request, listener, stop)
                for request in requests
            ]
        )


def _run_or_say(
    request: SearchRequest, listener: Listener, stop: StopRequest, *, debug: bool
) -> int:
    try:
        return _run_seed(request, listener, stop)
    except Exception as error:  # noqa: BLE001 - as a child of its own would do
        if debug:
            traceback.print_exc()
        line, code = describe_failure(error)
        listener(Event(request.seed, "message", text=f"error: {line}"))
        return code


def _run_seed(request: SearchRequest, listener: Listener, stop: StopRequest) -> int:
    if carry_on(request, listeners_of(request.seed, listener), stop) is Outcome.MORE:
        return exit_codes.STOPPED
    listener(Event(request.seed, "message", text=_finished(request.experiment)))
    return exit_codes.DONE


def _finished(experiment: Experiment) -> str:
    n_retrainings = len(stages_of(experiment)) - 1
    plural = "s" if n_retrainings > 1 else ""
    and_more = f" and {n_retrainings} retraining{plural}" if n_retrainings else ""
    return f"finished, {experiment.search.generations} generations{and_more}"


def listeners_of(seed: int, listener: Listener) -> Listeners:
    """Turns what a run tells into events of its seed."""
    diverged: set[str] = set()

    def on_progress(progress: Progress) -> None:
        if "retraining" in progress.summary:
            for event in retraining_events(seed, progress):
                listener(event)
            return
        tasks = cast(dict[str, TaskProgress], progress.summary["tasks"])
        listener(
            Event(
                seed,
                "step",
                step=progress.step,
                n_steps=progress.n_steps,
                seconds=progress.seconds,
                tasks=tasks,
            )
        )
        for name in sorted({name for name, task in tasks.items() if task["loss"] is None}):
            if name not in diverged:
                diverged.add(name)
                listener(Event(seed, "message", text=_diverged(name, progress.step)))

    return Listeners(
        on_progress,
        lambda phase, task: listener(Event(seed, "phase", text=f"{phase} {task}".strip())),
        lambda message: listener(Event(seed, "message", text=message)),
    )


def _diverged(task: str, generation: int) -> str:
    return (
        f"warning: the training loss of {task} diverged in generation {generation}; the search "
        "goes on, but what it finds there means little: choose a lower training.learning_rate"
    )


def _tell(event: Event) -> None:
    try:
        print(event.to_json(), flush=True)
    except ReaderLeft:
        # Whoever started us is gone. Nobody will look after us: stop in good order.
        os.kill(os.getpid(), signal.SIGTERM)
