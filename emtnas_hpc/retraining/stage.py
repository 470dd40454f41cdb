"""A retraining as a stage: a step is an epoch, or a bounded part of one."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from emtnas_hpc.history.retraining import (
    RECORD_NAME,
    Epoch,
    PartOfEpoch,
    Retraining,
    TestResult,
    read_retraining,
    write_retraining,
)
from emtnas_hpc.retraining.schedule import Schedule, Step
from emtnas_hpc.runner.stage import Interrupted

#: Within a commit, beside the record.
WEIGHTS_NAME = "weights.pt"

#: Told what begins: a phase, and the retraining that it concerns ("" for a commit).
PhaseListener = Callable[[str, str], None]


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Attributes:
        n_images: trained on.
        loss: mean over them.
        accuracy: likewise, in [0, 1].
    """

    n_images: int
    loss: float
    accuracy: float


class NetworkTrainer(Protocol):
    """The network with its data. All that it draws depends on the seed and the step alone.

    `train` and `test` raise `Abandoned` as soon as `interrupted()` says so; the trainer must be
    loaded anew after that.
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

    Args:
        name: of the stage.
        beginning: the record before the first step.
        schedule: of its steps.
        make_trainer: called by `start` and `load` only.
        on_phase: told what begins.
        clock: seconds, for the accounting of time.
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
            Abandoned: `interrupted` said so; the trainer must be loaded anew.
        """
        step = self._schedule.step(self._steps_behind(record) + 1)
        part = self._train(step, record.part or PartOfEpoch(), interrupted)
        if not step.ends_epoch:
            return replace(record, part=part)
        record = record.after(self._epoch(step.epoch, part))
        if step.number < self.n_steps:
            return record
        return replace(record, test=self._test(interrupted))

    def save(self, record: Retraining, directory: Path) -> None:
        """Writes the record, and weights with momentum and statistics."""
        self._on_phase("commit", "")
        write_retraining(record, directory / RECORD_NAME)
        self._running.save(directory / WEIGHTS_NAME)

    def load(self, directory: Path) -> Retraining:
        """Reads what `save` wrote; a fresh trainer continues from there."""
        self._trainer = self._make_trainer()
        self._running.load(directory / WEIGHTS_NAME)
        return read_retraining(directory / RECORD_NAME)

    def summary(self, record: Retraining) -> Mapping[str, object]:
        """What a progress display shows of the newest step."""
        loss, accuracy = _newest_reading(record)
        return {
            "retraining": self.name.partition("/")[2],
            "epoch": len(record.epochs) + (record.part is not None),
            "n_epochs": record.header.n_epochs,
            "loss": loss,
            "accuracy": accuracy,
            "test_accuracy": record.verdict.accuracy if record.verdict else None,
            "diverged": record.diverged,
        }

    @property
    def _running(self) -> NetworkTrainer:
        assert self._trainer is not None, "start or load comes first"
        return self._trainer

    def _steps_behind(self, record: Retraining) -> int:
        n_images = record.part.n_images if record.part else 0
        whole = len(record.epochs) * self._schedule.n_parts
        return whole + n_images // self._schedule.part_images

    def _train(self, step: Step, before: PartOfEpoch, interrupted: Interrupted) -> PartOfEpoch:
        self._on_phase("training", self.name)
        began = self._clock()
        result = self._running.train(step, interrupted)
        seconds = self._clock() - began
        loss = math.nan if before.loss is None else before.loss + result.loss * result.n_images
        return PartOfEpoch(
            n_images=before.n_images + result.n_images,
            loss=_known(loss),
            hits=before.hits + result.accuracy * result.n_images,
            seconds_training=before.seconds_training + seconds,
        )

    def _epoch(self, number: int, whole: PartOfEpoch) -> Epoch:
        return Epoch(
            learning_rate=self._schedule.learning_rate(number),
            drop_path=self._schedule.drop_path(number),
            train_loss=None if whole.loss is None else whole.loss / whole.n_images,
            train_accuracy=whole.hits / whole.n_images,
            seconds_training=whole.seconds_training,
        )

    def _test(self, interrupted: Interrupted) -> TestResult:
        self._on_phase("test", self.name)
        began = self._clock()
        result = self._running.test(interrupted)
        return replace(result, seconds_test=self._clock() - began)


def _newest_reading(record: Retraining) -> tuple[float | None, float]:
    if record.part is None:
        return record.epochs[-1].train_loss, record.epochs[-1].train_accuracy
    n_images, loss = record.part.n_images, record.part.loss
    return None if loss is None else loss / n_images, record.part.hits / n_images


def _known(value: float) -> float | None:
    """JSON has neither nan nor infinity."""
    return value if math.isfinite(value) else None
