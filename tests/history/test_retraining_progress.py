import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.history.retraining import (
    Epoch,
    PartOfEpoch,
    Retraining,
    RetrainingHeader,
    TestResult,
    write_retraining,
)
from emtnas_hpc.history.retraining_progress import RetrainingProgress, read_retraining_progress
from emtnas_hpc.space.shape import NetworkShape

SHAPE = NetworkShape(48, 2, 3, 32, 10)
HEADER = RetrainingHeader(
    *("cifar", 3, "cifar10", "cifar10", 17, "...", SHAPE, "long", "ours"),
    *(600, 50_000, 10_000, "s", "e", None),
)
BEGINNING = Retraining(HEADER, 9, 8, 7)
TEST = TestResult(0.9712, 0.99, None, 0.1, 3.0)


def _epoch(seconds: float) -> Epoch:
    return Epoch(0.1, 0.3, 1.5, 0.5, seconds)


def _read(record: Retraining, folder: Path) -> RetrainingProgress:
    write_retraining(record, folder / "record.json")
    return read_retraining_progress(folder / "record.json")


def test_a_record_in_the_middle_tells_epochs_and_the_median_of_the_newest_ten(
    tmp_path: Path,
) -> None:
    seconds = [1e-05, 1e-06, *(float(n) for n in range(9)), 90.0]
    record = replace(BEGINNING, epochs=tuple(map(_epoch, seconds)))
    assert _read(record, tmp_path) == RetrainingProgress("cifar10", 12, 600, 4.5, None)


def test_the_part_of_an_epoch_that_is_under_way_counts_nothing(tmp_path: Path) -> None:
    record = replace(BEGINNING, epochs=(_epoch(2.5),), part=PartOfEpoch(100, 1.0, 9.0, 77.0))
    assert _read(record, tmp_path) == RetrainingProgress("cifar10", 1, 600, 2.5, None)


def test_a_finished_record_tells_its_test_accuracy(tmp_path: Path) -> None:
    record = replace(BEGINNING, epochs=tuple(_epoch(1.0) for _n in range(600)), test=TEST)
    assert _read(record, tmp_path) == RetrainingProgress("cifar10", 600, 600, 1.0, 0.9712)


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
def test_what_diverged_says_so_and_has_no_accuracy(tmp_path: Path, diverged: Retraining) -> None:
    progress = _read(diverged, tmp_path)
    assert progress.diverged
    assert (progress.epoch, progress.seconds) == (len(diverged.epochs), 1.0)
    assert (progress.test_accuracy is None) == (diverged.test is None)
    assert progress.test_accuracy is None or math.isnan(progress.test_accuracy)


def test_before_the_first_epoch_nothing_is_measured(tmp_path: Path) -> None:
    progress = _read(BEGINNING, tmp_path)
    assert (progress.epoch, progress.n_epochs) == (0, 600)
    assert math.isnan(progress.seconds)


def test_the_same_record_in_other_white_space_tells_the_same(tmp_path: Path) -> None:
    record = replace(BEGINNING, epochs=(_epoch(2.0), _epoch(4.0)), test=TEST)
    told = _read(record, tmp_path)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads((tmp_path / "record.json").read_text())))
    assert read_retraining_progress(other) == told


@pytest.mark.parametrize(
    ("find", "put"),
    [('"schema": 1', '"schema": 2'), ('"header": {', '"header": ['), ('"task"', '"tusk"')],
)
def test_what_is_no_record_of_ours_is_refused(tmp_path: Path, find: str, put: str) -> None:
    _read(replace(BEGINNING, epochs=(_epoch(1.0),), test=TEST), tmp_path)
    file = tmp_path / "record.json"
    file.write_text(file.read_text().replace(find, put))
    with pytest.raises(DamagedError, match=r"record\.json"):
        read_retraining_progress(file)


def test_a_record_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_retraining_progress(tmp_path / "record.json")
