"""The only loop of the program: resume, step, commit, stop."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic

from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.runner.grace import Grace
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.notices import notice
from emtnas_hpc.runner.stage import Abandoned, S, Stage
from emtnas_hpc.store.refusals import storage_errors
from emtnas_hpc.store.run_store import Commit, RunStore


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
        summary: what the stage says about it.
    """

    step: int
    n_steps: int
    seconds: float
    summary: Mapping[str, object]


def run(
    stage: Stage[S],
    store: RunStore,
    stop: StopRequest,
    attempt: Attempt,
    *,
    commit_interval_s: float,
    grace_s: float,
    notify: Callable[[Progress], None],
    warn: Callable[[str], None] = notice,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Carries a stage from its newest good commit to its end, or to where it is asked to stop.

    A commit is due `commit_interval_s` after the last one, at the end, and at a stop at a step's
    end. A stage that is finished is left as it is.

    Args:
        stage: what to do.
        store: of that stage.
        stop: looked at between batches and between steps.
        attempt: told what happens.
        commit_interval_s: seconds between commits; 0 commits every step.
        grace_s: seconds that a step may go on after a stop request (`Grace`).
        notify: called after every step.
        warn: told of damaged commits that were set aside.
        clock: seconds.

    Returns:
        DONE, or MORE when it was stopped with work left.

    Raises:
        EmtnasError: of the store; whatever was committed before stands.
    """
    commit = store.newest(_recorded(warn, attempt))
    if commit is not None and commit.step >= stage.n_steps:
        return Outcome.DONE
    state, step = _resumed(stage, commit)
    attempt.event("resumed" if commit else "started", stage=stage.name, step=step)
    save = _Saver(stage, store, attempt, clock, step)
    grace = Grace(stop, attempt, grace_s, clock)
    while step < stage.n_steps and not stop.requested:
        if save.age_s >= commit_interval_s:
            save(state, step)
        grace.begin_step()
        try:
            state = stage.advance(state, grace.interrupted)
        except Abandoned:
            attempt.event("abandoned", stage=stage.name, step=step + 1, signal=stop.signal)
            return Outcome.MORE
        step += 1
        notify(Progress(step, stage.n_steps, grace.end_step(), stage.summary(state)))
    save(state, step)
    if step < stage.n_steps:
        attempt.event("stopped", stage=stage.name, step=step, signal=stop.signal)
        return Outcome.MORE
    attempt.event("finished", stage=stage.name, step=step)
    return Outcome.DONE


def _resumed(stage: Stage[S], commit: Commit | None) -> tuple[S, int]:
    if commit is None:
        return stage.start(), 0
    with storage_errors(commit.directory, "read"):
        return stage.load(commit.directory), commit.step


class _Saver(Generic[S]):
    """Commits states that are not committed yet, and knows how long ago the last commit was."""

    def __init__(
        self,
        stage: Stage[S],
        store: RunStore,
        attempt: Attempt,
        clock: Callable[[], float],
        committed: int,
    ) -> None:
        self._stage = stage
        self._store = store
        self._attempt = attempt
        self._clock = clock
        self._committed = committed
        self._at = clock()

    @property
    def age_s(self) -> float:
        return self._clock() - self._at

    def __call__(self, state: S, step: int) -> None:
        if step == self._committed:
            return
        began = self._clock()
        self._store.commit(step, lambda directory: self._stage.save(state, directory))
        self._committed = step
        self._at = self._clock()
        self._attempt.event(
            "committed",
            stage=self._stage.name,
            step=step,
            seconds=self._at - began,
            **self._stage.summary(state),
        )
        self._store.prune(step)


def _recorded(warn: Callable[[str], None], attempt: Attempt) -> Callable[[str], None]:
    def record(message: str) -> None:
        attempt.event("damaged", message=message)
        warn(message)

    return record
