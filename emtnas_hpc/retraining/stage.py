"""A retraining as a stage: a step is an epoch, or a bounded part of one."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.retraining.record import (
    RECORD_NAME,
    Epoch,
    PartOfEpoch,
    Retraining,
    TestResult,
    read_retraining,
    write_retraining,
)
from emtnas_hpc.runner.loop import Interrupted
from emtnas_hpc.search.history import WALL_CLOCK_PREFIX
from emtnas_hpc.settings.experiment import RetrainingSettings


@dataclass(frozen=True)
class Step:
    """An epoch, or a part of one.

    Attributes:
        number: of the step, from 1.
        epoch: that it belongs to, from 1.
        first: position of its first image in the order of the epoch.
        last: position behind its last one.
        ends_epoch: whether nothing of the epoch is left after it.
    """

    number: int
    epoch: int
    first: int
    last: int
    ends_epoch: bool


@dataclass(frozen=True)
class Schedule:
    """The steps of a retraining.

    Attributes:
        n_images: that an epoch trains on.
        settings: of the retraining.
    """

    n_images: int
    settings: RetrainingSettings

    @property
    def part_images(self) -> int:
        """Images of a step; the last one of an epoch may have fewer."""
        return self.settings.part_batches * self.settings.batch_size

    @property
    def n_parts(self) -> int:
        """Steps of an epoch."""
        return -(-self.n_images // self.part_images)

    @property
    def n_steps(self) -> int:
        """Steps of all epochs."""
        return self.n_parts * self.settings.epochs

    def step(self, number: int) -> Step:
        """The step of a number, 1 to `n_steps`."""
        epoch, part = divmod(number - 1, self.n_parts)
        first = part * self.part_images
        last = min(first + self.part_images, self.n_images)
        return Step(number, epoch + 1, first, last, ends_epoch=last == self.n_images)

    def learning_rate(self, epoch: int) -> float:
        """A cosine from the first epoch's toward 0 behind the last one."""
        turn = math.cos(math.pi * (epoch - 1) / self.settings.epochs)
        return self.settings.learning_rate / 2 * (1 + turn)

    def drop_path(self, epoch: int) -> float:
        """The probability that a branch is dropped: 0 in the first epoch, rising linearly."""
        return self.settings.drop_path * (epoch - 1) / max(1, self.settings.epochs - 1)


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

    def readings(self, record: Retraining) -> Mapping[str, object]:
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

    def summary(self, record: Retraining) -> Summary:
        """How far the retraining is."""
        return record.summary

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


#: What a run is called makes no retraining another one.
_NAMES = ("header.experiment",)


def retraining_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the readings and tensors in which two commits differ, what they are for first.

    Wall-clock readings may differ.

    Raises:
        DamagedError: a record or weights cannot be read.
    """
    from emtnas_hpc.supernet.weights import weights_differences  # takes torch

    facts_a, facts_b = (_facts(directory / RECORD_NAME) for directory in (a, b))
    for name in dict.fromkeys([*facts_a, *facts_b]):
        if facts_a.get(name) != facts_b.get(name):
            yield f"{RECORD_NAME}: {name} is {facts_a.get(name)} against {facts_b.get(name)}"
    yield from weights_differences(a / WEIGHTS_NAME, b / WEIGHTS_NAME)


def _facts(record: Path) -> dict[str, Any]:
    """Every reading by its dotted name, without those that may differ."""
    read_retraining(record)
    found = dict(_flatten(json.loads(record.read_text(encoding="utf-8")), ""))
    return {
        name: value
        for name, value in found.items()
        if not name.rpartition(".")[2].startswith(WALL_CLOCK_PREFIX) and name not in _NAMES
    }


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        value = dict(enumerate(value, 1))
    if not isinstance(value, dict):
        yield prefix.rstrip("."), value
        return
    for name, item in value.items():
        yield from _flatten(item, f"{prefix}{name}.")
