"""The only loop of the program: resume, step, commit, stop."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from emtnas_hpc.checkpoint.commits import Commit, RunStore
from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.runner.attempts import Attempt, Event
from emtnas_hpc.runner.context import ReasonToStop, no_reason
from emtnas_hpc.runner.signals import GracePeriod, StopRequest

log = logging.getLogger(__name__)

S = TypeVar("S")

Interrupted = Callable[[], bool]


class StepInterrupted(Exception):
    """Raised by `Stage.advance` after `interrupted()` said True: the step will be repeated."""


class Stage(Protocol[S]):
    """A computation made of resumable steps over a state S.

    A step is a function of the state before it and of nothing else, so repeating it gives the same
    bits. `advance` may work in place; a state that it abandoned is not used again. No method but
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

        Args:
            state: after the step before.
            interrupted: to be asked between batches; True means: raise `Abandoned`.

        Raises:
            Abandoned: `interrupted()` said True.
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


@dataclass(frozen=True)
class Progress:
    """A step that has just ended.

    Attributes:
        step: its number, from 1.
        n_steps: how many there are.
        seconds: how long it took.
        readings: what the stage says about it.
    """

    step: int
    n_steps: int
    seconds: float
    readings: Mapping[str, object]


def run(
    stage: Stage[S],
    store: RunStore,
    stop: StopRequest,
    attempt: Attempt,
    *,
    commit_interval_s: float,
    grace_s: float,
    notify: Callable[[Progress], None],
    reason_to_stop: ReasonToStop = no_reason,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Carries a stage from its newest good commit to its end, or to where it is asked to stop.

    A commit is due every `commit_interval_s`, before a step that a stop would not wait for, at the
    end, and at a stop at a step's end. A stage that is finished is left as it is. MORE means that
    it was stopped with work left.

    Args:
        stage: what to do.
        store: of that stage.
        stop: looked at between batches and between steps.
        attempt: told what happens.
        commit_interval_s: seconds between commits; 0 commits every step.
        grace_s: seconds that a step may go on after a stop request (`Grace`).
        notify: called after every step.
        reason_to_stop: asked between two steps; the first step is done in any case.
        clock: seconds.

    Raises:
        StoppedError: a signal came before the first step; nothing has been changed.
        EmtnasError: of the store; whatever was committed before stands.
    """
    commit = store.newest(_recorded(attempt))
    if commit is not None and commit.step >= stage.n_steps:
        return Outcome.DONE
    # Only read so far, however long it took; from here on nothing may be cut.
    state = _loaded(stage, commit)
    with stop.deferred():
        step = commit.step if commit else 0
        attempt.event(Event.RESUMED if commit else Event.STARTED, stage=stage.name, step=step)
        course = _Execution(stage, store, attempt, clock, state, step)
        grace = GracePeriod(stop, attempt, grace_s, clock)
        return _execute(course, commit_interval_s, grace, stop, reason_to_stop, notify)


def _loaded(stage: Stage[S], commit: Commit | None) -> S:
    if commit is None:
        return stage.start()
    with storage_errors(commit.directory, "read"):
        return stage.load(commit.directory)


class _Execution(Generic[S]):
    """Where a stage is, and how much of that is committed."""

    def __init__(
        self,
        stage: Stage[S],
        store: RunStore,
        attempt: Attempt,
        clock: Callable[[], float],
        state: S,
        step: int,
    ) -> None:
        self.step = step
        self.n_steps = stage.n_steps
        self._stage = stage
        self._store = store
        self._attempt = attempt
        self._clock = clock
        self._state = state
        self._committed = step
        self._committed_at = clock()
        self._longest_commit_s = 0.0

    def advance(self, grace: GracePeriod) -> Progress:
        """Does one step.

        Raises:
            Abandoned: it was interrupted.
        """
        grace.begin_step()
        self._state = self._stage.advance(self._state, grace.interrupted)
        self.step += 1
        readings = self._stage.readings(self._state)
        return Progress(self.step, self.n_steps, grace.end_step(), readings)

    def age_s(self) -> float:
        """Seconds since the last commit."""
        return self._clock() - self._committed_at

    def next_s(self, grace: GracePeriod) -> float:
        """Seconds that one more step and its commit are expected to take."""
        return grace.expected_s + self._longest_commit_s

    def commit(self) -> None:
        """Commits the state, unless it has been."""
        if self.step == self._committed:
            return
        began = self._clock()
        self._store.commit(
            self.step,
            lambda directory: self._stage.save(self._state, directory),
            self._stage.summary(self._state),
        )
        self._committed = self.step
        self._committed_at = self._clock()
        seconds = self._committed_at - began
        self._longest_commit_s = max(self._longest_commit_s, seconds)
        self.record(Event.COMMITTED, seconds=seconds, **self._stage.readings(self._state))
        self._store.prune(self.step)

    def record(self, kind: str, **values: object) -> None:
        """Tells the attempt what has become of the newest step."""
        self._attempt.event(kind, **{"stage": self._stage.name, "step": self.step, **values})


def _execute(
    course: _Execution[S],
    commit_interval_s: float,
    grace: GracePeriod,
    stop: StopRequest,
    reason_to_stop: ReasonToStop,
    notify: Callable[[Progress], None],
) -> Outcome:
    reason = None
    while course.step < course.n_steps and not (stop.requested or reason):
        if grace.outlasted or course.age_s() >= commit_interval_s:
            course.commit()
        try:
            progress = course.advance(grace)
        except StepInterrupted:
            after_s = grace.seconds_so_far()
            course.record(
                Event.ABANDONED, step=course.step + 1, signal=stop.signal, seconds=after_s
            )
            return Outcome.MORE
        notify(progress)
        reason = reason_to_stop(course.next_s(grace))
    course.commit()
    if course.step >= course.n_steps:
        course.record(Event.FINISHED, signal=stop.signal)
        return Outcome.DONE
    course.record(Event.STOPPED, signal=stop.signal, **({"reason": reason} if reason else {}))
    return Outcome.MORE


def _recorded(attempt: Attempt) -> Callable[[str], None]:
    def record(message: str) -> None:
        attempt.event(Event.DAMAGED, message=message)
        log.warning(message)

    return record
