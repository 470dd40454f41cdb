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

from emtnas_hpc.agenda.mending import prepare_command
from emtnas_hpc.agenda.remaining import stages_left, stages_of
from emtnas_hpc.agenda.session import carry_on
from emtnas_hpc.agenda.transfers import open_transfers
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.children import run_in_children
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Event, Listener, TaskProgress, Who, of_experiment
from emtnas_hpc.cli.failures import describe_failure
from emtnas_hpc.cli.named_experiment import Folders, Named, load_named
from emtnas_hpc.cli.retraining_events import retraining_events
from emtnas_hpc.cli.seed_job import SeedJob, said_of
from emtnas_hpc.cli.stdout import ReaderLeft
from emtnas_hpc.cli.tables import print_report
from emtnas_hpc.errors import DataError, InputError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome, Progress
from emtnas_hpc.search.assembly import SearchPlan
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

    def jobs(self, named: Named, *, one_of_several: bool) -> list[SeedJob]:
        """All seeds of an experiment."""
        name = named.experiment.name
        mend = prepare_command(self.experiment, self.overrides, self.data)
        return [
            SeedJob(
                named,
                SearchRequest(
                    named.experiment,
                    seed,
                    seed_run(self.runs, name, seed),
                    self.data,
                    self.device,
                    mend,
                    self.take_over,
                ),
                Who(seed, name if one_of_several else ""),
            )
            for seed in self.seeds
        ]

    def child_command(self, job: SeedJob) -> list[str]:
        """The command that carries out one job and tells its events on stdout."""
        where = ["--runs", str(self.runs), "--data", str(self.data), "--device", self.device]
        name = ["--name", job.request.experiment.name]
        which = [*name, "--seeds", f"{job.request.seed},", *["--take-over"] * self.take_over]
        # Without -P a file of the user's named like a module of ours would be imported.
        program = [sys.executable, "-P", "-m", "emtnas_hpc", *["--debug"] * self.debug, "run"]
        return [*program, *job.named.typed.words, *which, *where, "--events"]


def run_seeds(order: RunOrder, *, as_json: bool, as_events: bool) -> int:
    """Carries out an order and, when all of it is done, prints the report.

    Returns:
        The exit code.
    """
    all_named = load_named(order.experiment, order.overrides, order.name)
    by_experiment = [order.jobs(named, one_of_several=len(all_named) > 1) for named in all_named]
    jobs = [job for some in by_experiment for job in some]
    if as_events:
        return _run_one_by_one(jobs, _tell, debug=order.debug)
    steps = {job.who: job.named.experiment.search.generations for job in jobs}
    with open_display(steps) as listener:
        jobs = _settle_all(by_experiment, order, listener)
        _refuse_unwritable([job.request for job in jobs], order.runs)
        if order.parallel > 1 and len(jobs) > 1:
            commands = {job.who: order.child_command(job) for job in jobs}
            code = run_in_children(commands, order.parallel, listener)
        else:
            code = _run_one_by_one(jobs, listener, debug=order.debug)
    if code == exit_codes.STOPPED:
        print("stopped with work left; the same command goes on from there", file=sys.stderr)
    if code == exit_codes.DONE:
        print_report([job.request.paths.directory for job in jobs], as_json=as_json)
    return code


def _settle_all(
    by_experiment: Sequence[Sequence[SeedJob]], order: RunOrder, listener: Listener
) -> list[SeedJob]:
    """The jobs of all experiments, no run directory twice."""
    folders = Folders(order.experiment)
    return [
        job
        for some in by_experiment
        for job in _settle(some, order, listener)
        if folders.is_new(
            job.request.paths.directory, replace(job.named, experiment=job.request.experiment)
        )
    ]


def _settle(jobs: Sequence[SeedJob], order: RunOrder, listener: Listener) -> list[SeedJob]:
    """The jobs of one experiment, each in the directory that it is carried on in.

    What is refused is refused before the first seed has searched for days.
    """
    first = jobs[0]
    tell = of_experiment(first.who.experiment, listener)
    say = listeners_of(first.who.seed, tell).say
    try:
        plan = plan_search(first.request, say)
        open_transfers(first.request, say)
    except DataError:
        settled = _placed(jobs, order, None, tell)
        if first.who.experiment and any(map(_has_work, settled)):
            raise
        return settled  # it may be finished; if not, its own start says what is missing
    settled = _placed(jobs, order, plan, tell)
    for job in settled:
        refuse_other_settings(job.request.paths, replace(plan, seed=job.request.seed))
    return settled


def _placed(
    jobs: Sequence[SeedJob], order: RunOrder, plan: SearchPlan | None, tell: Listener
) -> list[SeedJob]:
    placed = []
    for job in jobs:
        found = None if order.name else job.elsewhere(order.runs, plan)
        if found is not None:
            tell(Event(job.who.seed, "message", text=said_of(found.request.paths)))
        placed.append(found or job)
    return placed


def _has_work(job: SeedJob) -> bool:
    request = job.request
    return bool(stages_left(request.paths, request.experiment, request.seed))


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


def _run_one_by_one(jobs: Sequence[SeedJob], listener: Listener, *, debug: bool) -> int:
    """A seed that fails does not keep the others from their search; a stop ends all."""
    run_seed = _run_seed if len(jobs) == 1 else partial(_run_or_say, debug=debug)
    codes = []
    with StopRequest() as stop:
        for job in jobs:
            tell = of_experiment(job.who.experiment, listener)
            codes.append(
                exit_codes.STOPPED if stop.requested else run_seed(job.request, tell, stop)
            )
            tell(Event(job.who.seed, "end"))
    return exit_codes.combine(codes)


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
