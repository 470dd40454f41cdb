"""A retraining as a stage: a step is an epoch, or a bounded part of one."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.paths import RECORD
from emtnas_hpc.retraining.record import (
    Epoch,
    PartOfEpoch,
    Retraining,
    TestResult,
    read_retraining,
    write_retraining,
)
from emtnas_hpc.retraining.spec import Schedule, Step
from emtnas_hpc.runner.context import PhaseListener
from emtnas_hpc.runner.loop import Interrupted
from emtnas_hpc.search.history import WALL_CLOCK_PREFIX, finite_or_none

#: Within a commit, beside the record.
WEIGHTS_NAME = "weights.pt"


@dataclass(frozen=True)
class StepResult:
    """The images that a step trained on, and means over them; the accuracy is in [0, 1]."""

    n_images: int
    loss: float
    accuracy: float


class NetworkTrainer(Protocol):
    """The network with its data. All that it draws depends on the seed and the step alone.

    `train` and `test` raise `StepInterrupted` as soon as `interrupted()` says so; the trainer must
    be loaded anew after that.
    """

    def train(self, step: Step, interrupted: Interrupted) -> StepResult:
        """Trains the mini-batches of a step."""

    def test(self, interrupted: Interrupted) -> TestResult:
        """Opens the test set and measures the network on it; the time is not filled in."""

    def save(self, file: Path) -> None:
        """Writes everything that the next step depends on."""

    def load(self, file: Path) -> None:
        """Reads it back, bit for bit."""


class RetrainingStage:
    """Trains on training and validation images; the last step ends in the one measurement.

    The state between two steps is the record so far.

    `make_trainer` is called by `start` and `load` only.
    """

    def __init__(
        self,
        name: str,
        beginning: Retraining,
        schedule: Schedule,
        make_trainer: Callable[[], NetworkTrainer],
        *,
        on_phase: PhaseListener = lambda _phase, _what: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self.n_steps = schedule.n_steps
        self._beginning = beginning
        self._schedule = schedule
        self._make_trainer = make_trainer
        self._trainer: NetworkTrainer | None = None
        self._on_phase = on_phase
        self._clock = clock

    def start(self) -> Retraining:
        """The state before the first step, with a fresh trainer."""
        self._trainer = self._make_trainer()
        return self._beginning

    def advance(self, record: Retraining, interrupted: Interrupted) -> Retraining:
        """One epoch or part of one, and after the very last one the test.

        Raises:
            StepInterrupted: `interrupted` said so; the trainer must be loaded anew.
        """
        before = record.part or PartOfEpoch()
        n_done = len(record.epochs) * self._schedule.n_parts
        n_done += before.n_images // self._schedule.part_images
        step = self._schedule.step(n_done + 1)
        part = self._train(step, before, interrupted)
        if not step.ends_epoch:
            return replace(record, part=part)
        record = record.after(self._epoch(step.epoch, part))
        if step.number < self.n_steps:
            return record
        self._on_phase("test", self.name)
        began = self._clock()
        result = self._running.test(interrupted)
        return replace(record, test=replace(result, seconds_test=self._clock() - began))

    def save(self, record: Retraining, directory: Path) -> None:
        """Writes the record, and weights with momentum and statistics."""
        self._on_phase("commit", "")
        write_retraining(record, directory / RECORD)
        self._running.save(directory / WEIGHTS_NAME)

    def load(self, directory: Path) -> Retraining:
        """Reads what `save` wrote; a fresh trainer continues from there."""
        self._trainer = self._make_trainer()
        self._running.load(directory / WEIGHTS_NAME)
        return read_retraining(directory / RECORD)

    def readings(self, record: Retraining) -> Mapping[str, object]:
        """The newest step in a few numbers."""
        if record.part is None:
            loss, accuracy = record.epochs[-1].train_loss, record.epochs[-1].train_accuracy
        else:
            loss, accuracy = record.part.mean_loss, record.part.accuracy
        return {
            "retraining": self.name.partition("/")[2],
            "epoch": len(record.epochs) + (record.part is not None),
            "n_epochs": record.header.n_epochs,
            "loss": loss,
            "accuracy": accuracy,
            "test_accuracy": record.result.accuracy if record.result else None,
            "diverged": record.diverged,
        }

    def summary(self, record: Retraining) -> Summary:
        """How far the retraining is."""
        return record.summary

    @property
    def _running(self) -> NetworkTrainer:
        assert self._trainer is not None, "start or load comes first"
        return self._trainer

    def _train(self, step: Step, before: PartOfEpoch, interrupted: Interrupted) -> PartOfEpoch:
        self._on_phase("training", self.name)
        began = self._clock()
        result = self._running.train(step, interrupted)
        seconds = self._clock() - began
        loss = math.nan if before.loss is None else before.loss + result.loss * result.n_images
        return PartOfEpoch(
            n_images=before.n_images + result.n_images,
            loss=finite_or_none(loss),
            hits=before.hits + result.accuracy * result.n_images,
            seconds_training=before.seconds_training + seconds,
        )

    def _epoch(self, number: int, whole: PartOfEpoch) -> Epoch:
        return Epoch(
            learning_rate=self._schedule.learning_rate(number),
            drop_path=self._schedule.drop_path(number),
            train_loss=whole.mean_loss,
            train_accuracy=whole.accuracy,
            seconds_training=whole.seconds_training,
        )


def retraining_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the readings and tensors in which two commits differ, those of the header first.

    Wall-clock readings may differ.

    Raises:
        DamagedError: a record or weights cannot be read.
    """
    from emtnas_hpc.supernet.weights import weights_differences  # imports torch

    facts_a, facts_b = (_facts(directory / RECORD) for directory in (a, b))
    for name in dict.fromkeys([*facts_a, *facts_b]):
        if facts_a.get(name) != facts_b.get(name):
            yield f"{RECORD}: {name} is {facts_a.get(name)} against {facts_b.get(name)}"
    yield from weights_differences(a / WEIGHTS_NAME, b / WEIGHTS_NAME)


def _facts(record: Path) -> dict[str, Any]:
    """Every reading by its dotted name, without those that may differ."""
    # It refuses a file that is no record.
    read_retraining(record)
    found = dict(_flatten(json.loads(record.read_text(encoding="utf-8")), ""))
    return {
        name: value
        for name, value in found.items()
        # Two runs of one retraining may have two names.
        if name != "header.experiment" and not name.rpartition(".")[2].startswith(WALL_CLOCK_PREFIX)
    }


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        value = dict(enumerate(value, 1))
    if not isinstance(value, dict):
        yield prefix.rstrip("."), value
        return
    for name, item in value.items():
        yield from _flatten(item, f"{prefix}{name}.")
