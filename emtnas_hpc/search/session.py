"""A run directory that this process owns, with the device that its stages run on."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.paths import SEARCH
from emtnas_hpc.errors import StartOverError
from emtnas_hpc.runner.attempts import Attempt, AttemptRecord, Event, changes_since, read_attempts
from emtnas_hpc.runner.context import OpenRun, RunContext, open_run
from emtnas_hpc.runner.loop import Outcome, S, Stage, run
from emtnas_hpc.search.environment import (
    NO_GRAPHS,
    choose_device,
    describe_choice,
    describe_conditions,
    missing_gpu,
    prepare_environment,
)
from emtnas_hpc.search.run_dir import store_experiment
from emtnas_hpc.search.spec import RunSpec, SearchPlan
from emtnas_hpc.settings.experiment import Experiment

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.supernet.graphs import Recorder

log = logging.getLogger(__name__)

#: If one of these has changed, whether steps can be recorded is tried again.
_DECIDE_GRAPHS = ("device_model", "torch")

#: What to do where memory is short: in a search, in a retraining, and where it may be either.
_SMALLER_SEARCH = (
    "a smaller training.batch_size, evaluation.chunk_size or supernet.channels takes less"
)
_SMALLER_RETRAINING = "a smaller retraining.batch_size or retraining.channels takes less"
_SMALLER = "smaller batches or fewer channels take less"


@dataclass(frozen=True)
class RunSession:
    """A run directory that this process owns, and a device that is ready.

    Attributes:
        spec: stages read its run settings only.
        conditions: what equal bits depend on here.
        recorder: records training steps as CUDA graphs; None for none.
    """

    spec: RunSpec
    context: RunContext
    opened: OpenRun
    device: "torch.device"
    conditions: Mapping[str, object]
    recorder: "Recorder | None"

    def run_search(self, plan: SearchPlan) -> Outcome:
        """Runs a search to its end or to a stop."""
        signature = store_experiment(self.opened.paths, plan, self.opened.lease)
        stage = plan.stage(self.device, self.context.callbacks.phase, self.recorder)
        # But in mode batch `auto` depends on the device's memory, and last bits on the chunk.
        chunks = {"evaluation_chunks": plan.evaluation_chunks(self.device)}
        self.opened.attempt.describe(chunks)
        return self.run(stage, signature, chunks)

    def run(
        self, stage: Stage[S], signature: str, conditions: Mapping[str, object] | None = None
    ) -> Outcome:
        """Runs a stage of this run to its end or to a stop.

        `conditions` are those that its bits depend on besides the session's.
        """
        settings, grace_s = self.spec.experiment.run, self.context.grace_s
        now = {**self.conditions, **(conditions or {})}
        if changes := changes_since(read_attempts(self.opened.paths), now, stage.name):
            log.info(f"goes on with {'; '.join(changes)}: equal bits are not promised")
        store = RunStore(
            self.opened.paths,
            stage.name,
            signature=signature,
            lease=self.opened.lease,
            keep=settings.keep_commits,
        )
        advice = _SMALLER_SEARCH if stage.name == SEARCH else _SMALLER_RETRAINING
        # It imports torch, which this session has done already.
        from emtnas_hpc.supernet.device import out_of_memory_as_error

        with (
            _start_over_without_graphs(self.opened.attempt),
            out_of_memory_as_error(self.device, advice),
        ):
            return run(
                stage,
                store,
                self.opened.attempt,
                self.context,
                commit_interval_s=settings.commit_interval_s,
                grace_s=settings.grace_s if grace_s is None else grace_s,
            )


@contextmanager
def open_session(spec: RunSpec, context: RunContext) -> Iterator[RunSession]:
    """Owns a run directory for the duration of a `with` block, with its device ready.

    Raises:
        InputError: the device is not there.
        OwnedError: another process owns the run.
    """
    # Before the run directory is touched: the device may not be there.
    device, conditions = prepare_device(spec.device, spec.experiment)
    no_gpu = missing_gpu(spec.device, conditions, os.environ)
    with open_run(spec.paths, context, provenance=conditions, take_over=spec.take_over) as opened:
        if choice := describe_choice(spec.device, conditions):
            context = _log_at_first_phase(context, choice)
        if no_gpu:
            log.warning(f"warning: {no_gpu}")
            opened.attempt.event(Event.NO_GPU, message=no_gpu)
        yield RunSession(
            spec,
            context,
            opened,
            device=device,
            conditions=conditions,
            recorder=_make_recorder(spec.experiment, opened, device, conditions),
        )


def prepare_device(name: str, experiment: Experiment) -> tuple["torch.device", dict[str, object]]:
    """Chooses a device and makes torch deterministic on it, with an experiment's threads.

    Imports torch, which takes seconds: call it after every check that needs no torch.

    Returns:
        The device, and what bits depend on there.

    Raises:
        InputError: the device is not there.
    """
    prepare_environment()
    from emtnas_hpc.supernet.device import prepare_torch

    device = choose_device(name)
    if remark := prepare_torch(experiment.threads, device, experiment.precision):
        log.warning(f"warning: {remark}")
    asked = {"threads": experiment.threads, "precision": experiment.precision}
    return device, {**describe_conditions(device), **asked}


def _log_at_first_phase(context: RunContext, line: str) -> RunContext:
    """A run without work left begins no phase, and logs nothing about its device."""
    unsaid = [line]

    def phase(name: str, task: str) -> None:
        if unsaid:
            log.info(unsaid.pop())
        context.callbacks.phase(name, task)

    return replace(context, callbacks=replace(context.callbacks, phase=phase))


def _make_recorder(
    experiment: Experiment,
    opened: OpenRun,
    device: "torch.device",
    conditions: Mapping[str, object],
) -> "Recorder | None":
    """Makes a recorder of CUDA graphs, if that is wanted and has never failed here."""
    if device.type != "cuda" or experiment.run.graphs == "off" or os.environ.get(NO_GRAPHS):
        return None
    if any(_had_no_graphs(attempt, conditions) for attempt in read_attempts(opened.paths)):
        return None
    from emtnas_hpc.supernet.device import out_of_memory_as_error
    from emtnas_hpc.supernet.graphs import CudaRecorder, trial

    with (
        _start_over_without_graphs(opened.attempt),
        out_of_memory_as_error(device, _SMALLER),
    ):
        recorder = CudaRecorder(device)
        if reason := trial(recorder, device):
            _warn_no_graphs(reason, opened.attempt)
            return None
    opened.attempt.describe({"graphs": True})
    return recorder


@contextmanager
def _start_over_without_graphs(attempt: Attempt) -> Iterator[None]:
    """Ends this process if a step cannot be recorded; the event keeps others from trying.

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
    """Whether an attempt could not record steps on such a card with this torch."""
    alike = all(attempt.provenance.get(each) == provenance[each] for each in _DECIDE_GRAPHS)
    return alike and any(event["event"] == Event.NO_GRAPHS for event in attempt.events)
