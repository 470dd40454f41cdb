"""What `run` does: one seed after the other in this process, or side by side in children."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from emtnas_hpc.agenda.remaining import stages_left, stages_of
from emtnas_hpc.agenda.session import carry_on
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.children import run_in_children
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Event, Listener, of_experiment
from emtnas_hpc.cli.listeners import listeners_of
from emtnas_hpc.cli.named_experiment import load_named
from emtnas_hpc.cli.one_of_several import run_or_say
from emtnas_hpc.cli.placing import place_all, refuse_unwritable
from emtnas_hpc.cli.run_order import RunOrder
from emtnas_hpc.cli.seed_order import SeedOrder
from emtnas_hpc.cli.stdout import ReaderLeft
from emtnas_hpc.cli.tables import print_report
from emtnas_hpc.cluster.marks import read_mark
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.session import SearchRequest


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
        jobs = place_all(by_experiment, order, listener)
        refuse_unwritable([job.request for job in jobs], order.runs)
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


def _run_one_by_one(jobs: Sequence[SeedOrder], listener: Listener, *, debug: bool) -> int:
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
    return run_or_say(
        lambda: _run_seed(request, listener, stop),
        lambda line: listener(Event(request.seed, "message", text=f"error: {line}")),
        debug=debug,
    )


def _run_seed(request: SearchRequest, listener: Listener, stop: StopRequest) -> int:
    for text in _marks(request):
        listener(Event(request.seed, "message", text=text))
    if carry_on(request, listeners_of(request.seed, listener), stop) is Outcome.MORE:
        return exit_codes.STOPPED
    listener(Event(request.seed, "message", text=_finished(request.experiment)))
    return exit_codes.DONE


def _marks(request: SearchRequest) -> Iterator[str]:
    """What keeps jobs from a run, but not whoever asks for it here."""
    paths = request.paths
    for mark in (paths.cancelled, paths.failed):
        reason = read_mark(mark)
        if reason is not None and stages_left(paths, request.experiment, request.seed):
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
