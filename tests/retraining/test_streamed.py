"""A whole retraining whose pictures are read by other processes; a step is a part of an epoch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emtnas_hpc.data.dataset import Streamed
from emtnas_hpc.errors import DataError
from emtnas_hpc.retraining.record import Retraining
from emtnas_hpc.retraining.spec import RetrainingPlan, RetrainSpec
from emtnas_hpc.retraining.stage import RetrainingStage, retraining_differences
from emtnas_hpc.runner.loop import StepInterrupted

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SILENT = lambda _phase, _what: None  # noqa: E731

#: Two epochs of 60 pictures in mini-batches of 16, two a step.
N_STEPS = 4


def saved(stage: RetrainingStage, record: Retraining, folder: Path) -> Path:
    folder.mkdir()
    stage.save(record, folder)
    return folder


@pytest.fixture(scope="module")
def plan(
    order: RetrainSpec, streamed: Streamed, changed: Callable[..., RetrainSpec]
) -> RetrainingPlan:
    own = changed(
        task="pictures", images=streamed.task, batch_size=16, part_batches=2, data_workers=1
    )
    return RetrainingPlan(own, streamed)


def with_workers(plan: RetrainingPlan, n: int) -> RetrainingPlan:
    settings = plan.spec.settings.model_copy(update={"data_workers": n})
    experiment = plan.spec.experiment.model_copy(update={"retraining": settings})
    return replace(plan, spec=replace(plan.spec, experiment=experiment))


@pytest.fixture(scope="module")
def whole(plan: RetrainingPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every step of a retraining leaves, `1` to `4`."""
    folder = tmp_path_factory.mktemp("whole")
    stage = plan.stage(CPU, SILENT)
    record = stage.start()
    for number in range(1, N_STEPS + 1):
        record = stage.advance(record, lambda: False)
        saved(stage, record, folder / str(number))
    return folder


def loaded(plan: RetrainingPlan, folder: Path) -> tuple[RetrainingStage, Retraining]:
    stage = plan.stage(CPU, SILENT)
    return stage, stage.load(folder)


def test_it_trains_on_the_training_pictures_and_tests_on_those_of_val(
    plan: RetrainingPlan, whole: Path
) -> None:
    record = loaded(plan, whole / str(N_STEPS))[1]
    assert (record.header.n_training, record.header.n_test) == (60, 15)
    assert record.header.shape.stem == "strided"
    assert len(record.epochs) == 2
    assert 0 <= record.test.accuracy <= 1
    assert record.test.top5 is None


@pytest.mark.parametrize("n_workers", [0, 3])
def test_it_is_the_same_retraining_with_any_number_of_workers(
    plan: RetrainingPlan, whole: Path, tmp_path: Path, n_workers: int
) -> None:
    other = with_workers(plan, n_workers)
    assert other.identity == plan.identity
    assert other.spec.name == plan.spec.name
    stage = other.stage(CPU, SILENT)
    record = stage.start()
    for _step in range(N_STEPS):
        record = stage.advance(record, lambda: False)
    end = saved(stage, record, tmp_path / "end")
    assert list(retraining_differences(whole / str(N_STEPS), end)) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_resumed_after_any_step_it_ends_in_the_same_bits(
    plan: RetrainingPlan, whole: Path, tmp_path: Path, number: int
) -> None:
    stage, record = loaded(plan, whole / str(number))
    for _step in range(number, N_STEPS):
        record = stage.advance(record, lambda: False)
    end = saved(stage, record, tmp_path / "end")
    assert list(retraining_differences(whole / str(N_STEPS), end)) == []


@pytest.mark.parametrize(("step", "after"), [(1, 0), (1, 1), (3, 2)])
def test_a_step_that_is_abandoned_in_training_or_test_is_repeated_bit_for_bit(
    plan: RetrainingPlan, whole: Path, tmp_path: Path, step: int, after: int
) -> None:
    stage, record = loaded(plan, whole / str(step))
    asked = iter([False] * after + [True])
    with pytest.raises(StepInterrupted):
        stage.advance(record, lambda: next(asked))
    stage, record = loaded(plan, whole / str(step))
    again = saved(stage, stage.advance(record, lambda: False), tmp_path / "again")
    assert list(retraining_differences(whole / str(step + 1), again)) == []


def test_no_test_picture_is_read_before_the_end(
    plan: RetrainingPlan, tmp_path: Path, make_pictures: Callable[..., Path], whole: Path
) -> None:
    folder = make_pictures(tmp_path / "pictures")
    test_pictures = {path: path.read_bytes() for path in folder.glob("val/*/*")}
    for path in test_pictures:
        path.write_text("noise")
    blind = replace(plan, data=replace(plan.data, pictures_folder=folder))
    stage = blind.stage(CPU, SILENT)
    record = stage.start()
    for _step in range(N_STEPS - 1):
        record = stage.advance(record, lambda: False)
    before = saved(stage, record, tmp_path / "before")
    with pytest.raises(DataError, match=r"val/n0000/00\.JPEG has 5 bytes, expected"):
        stage.advance(record, lambda: False)
    for path, content in test_pictures.items():
        path.write_bytes(content)
    stage, record = loaded(blind, before)
    end = saved(stage, stage.advance(record, lambda: False), tmp_path / "end")
    assert list(retraining_differences(whole / str(N_STEPS), end)) == []
