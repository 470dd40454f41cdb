import math
from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.retraining.record import (
    Epoch,
    PartOfEpoch,
    Retraining,
    RetrainingHeader,
    TestResult,
    read_retraining,
    write_retraining,
)
from emtnas_hpc.space.architecture import NetworkShape

HEADER = RetrainingHeader(
    experiment="cifar",
    seed=3,
    task="cifar10",
    found_on="cifar100",
    individual=17,
    genotype="reduction: ...; normal: ...",
    shape=NetworkShape(48, 2, 3, 32, 10),
    recipe="long",
    origin="ours",
    n_epochs=2,
    n_training=50000,
    n_test=10000,
    signature="a" * 64,
    experiment_signature="b" * 64,
    search_signature="c" * 64,
)
EPOCH = Epoch(0.025, 0.15, 2.3, 0.1, 12.5)
UNFINISHED = Retraining(HEADER, parameters=3, parameters_in_use=2, macs=9, epochs=(EPOCH,))
FINISHED = replace(UNFINISHED.after(EPOCH), test=TestResult(0.96, 0.99, None, None, 1.5))


UNDER_WAY = replace(UNFINISHED, part=PartOfEpoch(640, 1.25, 17.0, 2.5))
TESTED = replace(FINISHED, test=TestResult(0.96, 0.99, None, 0.2, 1.5))
LOST = replace(EPOCH, train_loss=None)
DIVERGED = replace(UNFINISHED, part=PartOfEpoch(640, None, 17.0, 2.5))


@pytest.mark.parametrize("retraining", [UNFINISHED, FINISHED, UNDER_WAY, DIVERGED])
def test_a_retraining_is_read_as_it_was_written(tmp_path: Path, retraining: Retraining) -> None:
    write_retraining(retraining, tmp_path / "record.json")
    assert read_retraining(tmp_path / "record.json") == retraining


@pytest.mark.parametrize(
    ("retraining", "where"),
    [
        (UNFINISHED, ""),
        (UNDER_WAY, ""),
        (TESTED, ""),
        (DIVERGED, "epoch 2"),
        (FINISHED, "its last steps"),
        (replace(TESTED, epochs=(LOST, EPOCH)), "epoch 1"),
        (replace(TESTED, epochs=(EPOCH, LOST)), "epoch 2"),
        (replace(UNFINISHED, epochs=(LOST,)), "epoch 1"),
    ],
    ids=["so-far", "part", "tested", "in-part", "test", "came-back", "last-epoch", "unfinished"],
)
def test_it_diverged_where_a_loss_was_no_finite_number_first(
    retraining: Retraining, where: str
) -> None:
    assert retraining.diverged == where


def test_one_that_diverged_has_no_accuracy() -> None:
    verdict = FINISHED.result
    assert verdict is not None
    assert math.isnan(verdict.accuracy)
    assert (verdict.top5, verdict.auc, verdict.seconds_test) == (None, None, 1.5)
    assert (TESTED.result, UNFINISHED.result) == (TESTED.test, None)


def test_it_is_finished_once_the_test_set_was_read() -> None:
    assert not UNFINISHED.finished
    assert FINISHED.finished


def test_a_part_of_an_epoch_ends_with_the_epoch() -> None:
    assert UNDER_WAY.after(EPOCH).part is None


def test_an_architecture_that_was_found_on_another_task_is_a_transfer() -> None:
    assert HEADER.is_transfer
    assert not replace(HEADER, found_on="cifar10").is_transfer
    assert not replace(HEADER, found_on=None).is_transfer


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "header": {}}', "\x00"])
def test_anything_else_is_called_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(DamagedError, match="is not the record of a retraining"):
        read_retraining(tmp_path / "record.json")


def test_a_later_schema_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"schema": 2}')
    with pytest.raises(DamagedError, match="another version, expected schema 1"):
        read_retraining(tmp_path / "record.json")
