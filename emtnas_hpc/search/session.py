"""One seed's search in its run directory, from wherever it was to its end or to a stop."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths
from emtnas_hpc.data.copies import Begun
from emtnas_hpc.data.opening import open_task
from emtnas_hpc.errors import DataError, StartOverError, StorageError, StoredError
from emtnas_hpc.runner.attempts import Attempt, AttemptRecord, Event, changes_since, read_attempts
from emtnas_hpc.runner.context import OpenRun, RunContext, open_run
from emtnas_hpc.runner.loop import Outcome, Progress, S, Stage, run
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.environment import (
    NO_GRAPHS,
    describe_choice,
    missing_gpu,
    prepare_environment,
)
from emtnas_hpc.search.run_dir import (
    images_begun_with,
    is_finished,
    refuse_other_settings,
    store_experiment,
)
from emtnas_hpc.search.stage import PhaseListener
from emtnas_hpc.settings.experiment import Experiment

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.supernet.graphs import Recorder

log = logging.getLogger(__name__)

#: Whether steps can be recorded is asked anew where one of these is another.
_DECIDE_GRAPHS = ("device_model", "torch")

#: What takes less memory in a retraining, and in a search.
_LESS_MEMORY = (
    "a smaller retraining.batch_size or retraining.channels takes less",
    "a smaller training.batch_size, evaluation.chunk_size or supernet.channels takes less",
)


@dataclass(frozen=True)
class RunSpec:
    """What to search, and where.

    Attributes:
        experiment: all settings.
        seed: of the search.
        paths: its run directory.
        data_dir: where prepared data sets are.
        device: auto, cpu, cuda or cuda:N.
        mend: the command that prepares the data, for messages.
        take_over: take the run directory from its owner, whether it lives or not.
    """

    experiment: Experiment
    seed: int
    paths: RunPaths
    data_dir: Path
    device: str
    mend: str
    take_over: bool = False


@dataclass(frozen=True)
class Callbacks:
    """Who is told what while a search runs.

    Attributes:
        progress: of every generation that ended.
        phase: of everything that begins within one.
    """

    progress: Callable[[Progress], None]
    phase: PhaseListener


def search_left(request: RunSpec) -> SearchPlan | None:
    """The plan of a search that has work left; None for a finished one, whose data may be gone.

    Raises:
        InputError: data is not there, or the run directory belongs to other settings.
    """
    try:
        plan = plan_search(request)
    except DataError:
        if is_finished(request.paths, request.experiment, request.seed):
            return None
        raise
    for note in plan.notes:
        log.info(note)
    stored = refuse_other_settings(request.paths, plan)
    if stored and is_finished(request.paths, request.experiment, request.seed):
        return None
    return plan


@dataclass(frozen=True)
class RunSession:
    """A run directory that this process owns, with the device that it computes on.

    Attributes:
        request: what is done there; stages read its run settings only.
        listeners: told what happens.
        terms: of this process.
        opened: the run directory.
        device: ready, torch made deterministic on it.
        conditions: what equal bits depend on here.
        recorder: of training steps; None where each runs as it comes.
    """

    request: RunSpec
    listeners: Callbacks
    terms: RunContext
    opened: OpenRun
    device: "torch.device"
    conditions: Mapping[str, object]
    recorder: "Recorder | None"

    def carry_on(self, stage: Stage[S], signature: str, stop: StopRequest) -> Outcome:
        """Carries a stage of this run to its end or to a stop; `signature` is its commits'."""
        settings, grace_s = self.request.experiment.run, self.terms.grace_s
        changes = changes_since(read_attempts(self.opened.paths), self.conditions, stage.name)
        if changes:
            log.info(f"goes on with {'; '.join(changes)}: equal bits are not promised")
        store = RunStore(
            self.opened.paths,
            stage.name,
            signature=signature,
            claim=self.opened.claim,
            keep=settings.keep_commits,
        )
        # Imports torch, which a session has done already.
        from emtnas_hpc.supernet.device import out_of_memory_as_error

        with (
            _start_over_without_graphs(self.opened.attempt),
            out_of_memory_as_error(self.device, _LESS_MEMORY[stage.name == SEARCH]),
        ):
            return run(
                stage,
                store,
                stop,
                self.opened.attempt,
                commit_interval_s=settings.commit_interval_s,
                grace_s=settings.grace_s if grace_s is None else grace_s,
                notify=self.listeners.progress,
                reason_to_stop=self.terms.reason_to_stop,
            )


@contextmanager
def open_session(request: RunSpec, listeners: Callbacks, terms: RunContext) -> Iterator[RunSession]:
    """Owns a run directory for the duration of a `with` block, with its device ready.

    Raises:
        InputError: the device is not there.
        OwnedError: another process is at it.
    """
    device, provenance = prepare_device(request.device, request.experiment)
    no_gpu = missing_gpu(request.device, provenance, os.environ)
    with open_run(
        request.paths,
        terms,
        provenance=provenance,
        take_over=request.take_over,
    ) as opened:
        if choice := describe_choice(request.device, provenance):
            listeners = _say_at_work(listeners, choice)
        if no_gpu:
            log.warning(f"warning: {no_gpu}")
            opened.attempt.event(Event.NO_GPU, message=no_gpu)
        recorder = _make_recorder(request.experiment, opened, device, provenance)
        yield RunSession(request, listeners, terms, opened, device, provenance, recorder)


def _make_recorder(
    experiment: Experiment,
    opened: OpenRun,
    device: "torch.device",
    provenance: Mapping[str, object],
) -> "Recorder | None":
    """What records training steps as CUDA graphs, if that is wanted and was never in vain here."""
    if device.type != "cuda" or experiment.run.graphs == "off" or os.environ.get(NO_GRAPHS):
        return None
    if any(_had_no_graphs(attempt, provenance) for attempt in read_attempts(opened.paths)):
        return None
    from emtnas_hpc.supernet.device import out_of_memory_as_error
    from emtnas_hpc.supernet.graphs import CudaRecorder, trial

    with (
        _start_over_without_graphs(opened.attempt),
        out_of_memory_as_error(device, _LESS_MEMORY[True]),
    ):
        recorder = CudaRecorder(device)
        if reason := trial(recorder, device):
            _warn_no_graphs(reason, opened.attempt)
            return None
    opened.attempt.describe({"graphs": True})
    return recorder


@contextmanager
def _start_over_without_graphs(attempt: Attempt) -> Iterator[None]:
    """A step that cannot be recorded ends this process; what it has noted keeps others from trying.

    Raises:
        StartOverError: in place of torch's error.
    """
    from emtnas_hpc.supernet.graphs import CaptureError

    try:
        yield
    except CaptureError as error:
        _warn_no_graphs(str(error), attempt)
        raise StartOverError("training steps go on without CUDA graphs in a new process") from error


def _warn_no_graphs(reason: str, attempt: Attempt) -> None:
    log.warning(
        f"warning: training steps cannot be recorded as CUDA graphs ({reason}); without them a "
        "step takes two to three times as long"
    )
    attempt.event(Event.NO_GRAPHS, message=reason)


def _had_no_graphs(attempt: AttemptRecord, provenance: Mapping[str, object]) -> bool:
    """Whether a start found that steps cannot be recorded, on such a card with this torch."""
    alike = all(attempt.provenance.get(each) == provenance[each] for each in _DECIDE_GRAPHS)
    return alike and any(event["event"] == Event.NO_GRAPHS for event in attempt.events)


def _say_at_work(listeners: Callbacks, line: str) -> Callbacks:
    """Listeners that say a line when the first phase begins: never, where nothing is left."""
    unsaid = [line]

    def phase(name: str, task: str) -> None:
        if unsaid:
            log.info(unsaid.pop())
        listeners.phase(name, task)

    return replace(listeners, phase=phase)


def continue_search(session: RunSession, plan: SearchPlan, stop: StopRequest) -> Outcome:
    """Carries a search on in a run directory that is open."""
    signature = store_experiment(session.opened.paths, plan, session.opened.claim)
    stage = plan.stage(session.device, session.listeners.phase, session.recorder)
    chunks = {"evaluation_chunks": plan.evaluation_chunks(session.device)}
    session.opened.attempt.describe(chunks)
    session = replace(session, conditions={**session.conditions, **chunks})
    return session.carry_on(stage, signature, stop)


def prepare_device(name: str, experiment: Experiment) -> tuple["torch.device", dict[str, object]]:
    """Chooses a device, makes torch deterministic on it, and says what bits depend on there.

    Imports torch, which takes seconds: after everything that can be refused without it.

    Args:
        name: auto, cpu, cuda or cuda:N.
        experiment: how many threads and how exactly to compute.

    Raises:
        InputError: the device is not there.
    """
    prepare_environment()
    from emtnas_hpc.search.device import choose_device, describe_conditions
    from emtnas_hpc.supernet.device import prepare_torch

    device = choose_device(name)
    if remark := prepare_torch(experiment.threads, device, experiment.precision):
        log.warning(f"warning: {remark}")
    asked = {"threads": experiment.threads, "precision": experiment.precision}
    return device, {**describe_conditions(device), **asked}


def plan_seeds(requests: Sequence[RunSpec]) -> dict[int, SearchPlan]:
    """As `plan_search`, for seeds of one experiment; what they have in common is opened once."""
    plans: dict[int, SearchPlan] = {}
    opened: dict[tuple[tuple[str, Begun], ...], SearchPlan] = {}
    for request in requests:
        begun: dict[str, Begun] = {}
        with suppress(StorageError, StoredError):
            # A run that cannot be read is refused by its own start, and keeps no other from its.
            begun = images_begun_with(request.paths, request.experiment)
        key = tuple(begun.items())
        if key not in opened:
            opened[key] = _open_plan(request, begun)
        plans[request.seed] = replace(opened[key], seed=request.seed)
    return plans


def plan_search(request: RunSpec) -> SearchPlan:
    """Opens the data of every task; what needs no download is prepared if need be.

    Of a run that has begun it is what the run began with, whatever the user's files are now.

    Raises:
        DataError: data is missing, damaged or does not fit.
        InputError: the images that the run has begun with are gone.
    """
    return _open_plan(request, images_begun_with(request.paths, request.experiment))


def _open_plan(request: RunSpec, begun: Mapping[str, Begun]) -> SearchPlan:
    experiment = request.experiment
    data = {
        name: open_task(
            name,
            experiment.task[name],
            request.data_dir,
            say=log.info,
            mend=request.mend,
            begun=begun.get(name),
        )
        for name in experiment.tasks
    }
    return SearchPlan(experiment, request.seed, data)
