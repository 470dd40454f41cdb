"""The only loop of the program: resume, step, commit, stop."""

import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.runner.attempts import Attempt, Event
from emtnas_hpc.runner.context import Progress, RunContext
from emtnas_hpc.runner.signals import GracePeriod

log = logging.getLogger(__name__)

S = TypeVar("S")

Interrupted = Callable[[], bool]


class StepInterrupted(Exception):
    """Raised by `Stage.advance` after `interrupted()` said True: the step will be repeated."""


def leave_if(interrupted: Interrupted) -> None:
    """Raises StepInterrupted if `interrupted()` says True."""
    if interrupted():
        raise StepInterrupted


class Stage(Protocol[S]):
    """A computation made of resumable steps over a state S.

    A step is a function of the state before it and of nothing else, so repeating it gives the same
    bits. `advance` may work in place; after `StepInterrupted` the state is not used again. None but
    `save` and `load` does I/O, none reads a clock for a decision, none handles a signal.
    """

    @property
    def name(self) -> str:
        """Name of the stage's directory within the run."""

    @property
    def n_steps(self) -> int:
        """Number of steps until the stage is done."""

    def start(self) -> S:
        """The state before the first step."""

    def advance(self, state: S, interrupted: Interrupted) -> S:
        """Does one step.

        `interrupted` is asked between batches.

        Raises:
            StepInterrupted: `interrupted()` said True.
        """

    def save(self, state: S, directory: Path) -> None:
        """Writes all of the state into an empty directory."""

    def load(self, directory: Path) -> S:
        """Reads the state that `save` wrote."""

    def readings(self, state: S) -> Mapping[str, object]:
        """A few plain values (JSON) about the last step, for the attempt's events and progress."""

    def summary(self, state: S) -> Summary:
        """How far the stage is, for the manifest."""


class Outcome(Enum):
    """How a call of `run` ended."""

    DONE = "done"
    MORE = "work left"


def run(
    stage: Stage[S],
    store: RunStore,
    attempt: Attempt,
    context: RunContext,
    *,
    commit_interval_s: float,
    grace_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Runs a stage from its newest good commit to its end, or to where it is asked to stop.

    A commit is due every `commit_interval_s`, before a step that a stop would not wait for, at the
    end, and at a stop at a step's end. A stage that is finished is left as it is. MORE means that
    it was stopped with work left.

    Args:
        stage: what to do.
        store: of that stage.
        attempt: gets the events.
        context: of this process. Its `reason_to_stop` is asked between two steps; the first step is
            done in any case.
        commit_interval_s: seconds between commits; 0 commits every step.
        grace_s: seconds that a step may go on after a stop request (`GracePeriod`).
        clock: seconds.

    Raises:
        StoppedError: a signal came before the first step; nothing has been changed.
        EmtnasError: of the store; whatever was committed before stands.
    """

    def record_damage(message: str) -> None:
        attempt.event(Event.DAMAGED, message=message)
        log.warning(message)

    commit = store.newest(record_damage)
    if commit is not None and commit.step >= stage.n_steps:
        return Outcome.DONE
    if commit is None:
        state = stage.start()
    else:
        with storage_errors(commit.directory, "read"):
            state = stage.load(commit.directory)
    # So far the run was only read, and a signal could end that; from here on nothing may be cut.
    with context.stop.deferred():
        step = commit.step if commit else 0
        attempt.event(Event.RESUMED if commit else Event.STARTED, stage=stage.name, step=step)
        grace = GracePeriod(context.stop, attempt, grace_s, clock)
        execution = _Execution(
            stage, store, attempt, grace=grace, clock=clock, state=state, step=step
        )
        return execution.run(context, commit_interval_s)


class _Execution(Generic[S]):
    """The state of a stage, and how much of it is committed."""

    def __init__(
        self,
        stage: Stage[S],
        store: RunStore,
        attempt: Attempt,
        *,
        grace: GracePeriod,
        clock: Callable[[], float],
        state: S,
        step: int,
    ) -> None:
        self._stage = stage
        self._store = store
        self._attempt = attempt
        self._grace = grace
        self._clock = clock
        self._state = state
        self._step = step
        self._committed = step
        self._committed_at = clock()
        self._longest_commit_s = 0.0

    def run(self, context: RunContext, commit_interval_s: float) -> Outcome:
        """Does step after step, with commits in between and one at the end."""
        # Asked after a step only: each start does one, so a limit that holds none is noticed.
        stop, n_steps, reason = context.stop, self._stage.n_steps, None
        while self._step < n_steps and not (stop.requested or reason):
            age_s = self._clock() - self._committed_at
            if self._grace.is_too_short or age_s >= commit_interval_s:
                self._commit()
            try:
                progress = self._advance()
            except StepInterrupted:
                after_s = self._grace.seconds_so_far()
                step = self._step + 1
                self._record(Event.ABANDONED, step=step, signal=stop.signal, seconds=after_s)
                return Outcome.MORE
            context.callbacks.progress(progress)
            # What one more step and its commit are expected to take.
            reason = context.reason_to_stop(self._grace.expected_s + self._longest_commit_s)
        self._commit()
        if self._step >= n_steps:
            self._record(Event.FINISHED, signal=stop.signal)
            return Outcome.DONE
        self._record(Event.STOPPED, signal=stop.signal, **({"reason": reason} if reason else {}))
        return Outcome.MORE

    def _advance(self) -> Progress:
        self._grace.begin_step()
        self._state = self._stage.advance(self._state, self._grace.interrupted)
        self._step += 1
        readings = self._stage.readings(self._state)
        return Progress(self._step, self._stage.n_steps, self._grace.end_step(), readings)

    def _commit(self) -> None:
        """Commits the state, unless it is committed."""
        if self._step == self._committed:
            return
        began = self._clock()
        self._store.commit(
            self._step,
            lambda directory: self._stage.save(self._state, directory),
            self._stage.summary(self._state),
        )
        self._committed = self._step
        self._committed_at = self._clock()
        seconds = self._committed_at - began
        self._longest_commit_s = max(self._longest_commit_s, seconds)
        self._record(Event.COMMITTED, seconds=seconds, **self._stage.readings(self._state))
        # Only now: an older commit is needed until a newer one is durable.
        self._store.prune(self._step)

    def _record(self, kind: str, **values: object) -> None:
        self._attempt.event(kind, **{"stage": self._stage.name, "step": self._step, **values})
