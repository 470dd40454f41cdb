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

    A commit is due every `commit_interval_s`, at the end, and at a stop at a step's end. A stage
    that is finished is left as it is. MORE means that it was stopped with work left.

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

    Raises:
        EmtnasError: of the store; whatever was committed before stands.
    """
    commit = store.newest(_recorded(warn, attempt))
    if commit is not None and commit.step >= stage.n_steps:
        return Outcome.DONE
    state, step = _resumed(stage, commit, attempt)
    save = _Saver(stage, store, attempt, clock, commit_interval_s, step)
    grace = Grace(stop, attempt, grace_s, clock)
    while step < stage.n_steps and not stop.requested:
        save.if_due(state, step)
        grace.begin_step()
        try:
            state = stage.advance(state, grace.interrupted)
        except Abandoned:
            attempt.event("abandoned", stage=stage.name, step=step + 1, signal=stop.signal)
            return Outcome.MORE
        step += 1
        notify(Progress(step, stage.n_steps, grace.end_step(), stage.summary(state)))
    save(state, step)
    done = step >= stage.n_steps
    ending = "finished" if done else "stopped"
    attempt.event(ending, stage=stage.name, step=step, signal=stop.signal)
    return Outcome.DONE if done else Outcome.MORE


def _resumed(stage: Stage[S], commit: Commit | None, attempt: Attempt) -> tuple[S, int]:
    if commit is None:
        attempt.event("started", stage=stage.name, step=0)
        return stage.start(), 0
    attempt.event("resumed", stage=stage.name, step=commit.step)
    with storage_errors(commit.directory, "read"):
        return stage.load(commit.directory), commit.step


class _Saver(Generic[S]):
    """Commits a state unless it has been committed; knows when that is due."""

    def __init__(
        self,
        stage: Stage[S],
        store: RunStore,
        attempt: Attempt,
        clock: Callable[[], float],
        interval_s: float,
        committed: int,
    ) -> None:
        self._stage = stage
        self._store = store
        self._attempt = attempt
        self._clock = clock
        self._interval_s = interval_s
        self._committed = committed
        self._at = clock()

    def if_due(self, state: S, step: int) -> None:
        if self._clock() - self._at >= self._interval_s:
            self(state, step)

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
