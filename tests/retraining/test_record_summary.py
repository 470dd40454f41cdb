from dataclasses import replace

import pytest

from emtnas_hpc.checkpoint.manifest import Summary, TaskSummary
from emtnas_hpc.retraining.record import (
    Epoch,
    PartOfEpoch,
    Retraining,
    RetrainingHeader,
    TestResult,
)
from emtnas_hpc.space.architecture import NetworkShape

SHAPE = NetworkShape(48, 2, 3, 32, 10)
HEADER = RetrainingHeader(
    *("cifar", 3, "cifar10", "cifar10", 17, "...", SHAPE, "long", "ours"),
    *(600, 50_000, 10_000, "s", "e", None),
)
BEGINNING = Retraining(HEADER, 9, 8, 7)
TEST = TestResult(0.9712, 0.99, None, 0.1, 3.0)


def _epoch(seconds: float) -> Epoch:
    return Epoch(0.1, 0.3, 1.5, 0.5, seconds)


def test_a_record_in_the_middle_tells_epochs_and_the_median_of_the_newest_ten() -> None:
    seconds = [1e-05, 100.0, *(float(n) for n in range(10))]
    record = replace(BEGINNING, epochs=tuple(map(_epoch, seconds)))
    assert record.summary == Summary(12, 600, 4.5, {"cifar10": TaskSummary(None)}, "e")


def test_the_part_of_an_epoch_that_is_under_way_counts_nothing() -> None:
    record = replace(BEGINNING, epochs=(_epoch(2.5),), part=PartOfEpoch(100, 1.0, 9.0, 77.0))
    assert (record.summary.step, record.summary.seconds) == (1, 2.5)


def test_a_finished_record_tells_its_test_accuracy() -> None:
    record = replace(BEGINNING, epochs=tuple(_epoch(1.0) for _n in range(600)), test=TEST)
    assert record.summary.finished
    assert record.summary.tasks == {"cifar10": TaskSummary(0.9712)}


@pytest.mark.parametrize(
    "diverged",
    [
        replace(BEGINNING, epochs=(_epoch(1.0), replace(_epoch(1.0), train_loss=None))),
        replace(BEGINNING, epochs=(replace(_epoch(1.0), train_loss=None), _epoch(1.0)), test=TEST),
        replace(BEGINNING, epochs=(_epoch(1.0),), part=PartOfEpoch(100, None, 9.0, 77.0)),
        replace(BEGINNING, epochs=(_epoch(1.0),), test=replace(TEST, loss=None)),
    ],
    ids=["epoch", "finished", "part", "test"],
)
def test_what_diverged_says_so_and_has_no_accuracy(diverged: Retraining) -> None:
    summary = diverged.summary
    assert diverged.diverged
    assert summary.tasks == {"cifar10": TaskSummary(None, diverged.diverged)}
    assert (summary.step, summary.seconds) == (len(diverged.epochs), 1.0)


def test_before_the_first_epoch_nothing_is_measured() -> None:
    assert BEGINNING.summary == Summary(0, 600, None, {"cifar10": TaskSummary(None)}, "e")
