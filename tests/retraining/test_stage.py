import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emtnas_hpc.data.dataset import Prepared, open_copy
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import UnpreparedError
from emtnas_hpc.retraining.record import Retraining, TestResult
from emtnas_hpc.retraining.spec import RetrainingPlan, RetrainSpec
from emtnas_hpc.retraining.stage import RetrainingStage, Step, StepResult, retraining_differences
from emtnas_hpc.runner.loop import Interrupted, StepInterrupted
from emtnas_hpc.space.architecture import format_genotype
from emtnas_hpc.supernet.network import Network

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SILENT = lambda _phase, _what: None  # noqa: E731

#: Two epochs of 15 mini-batches of 96, in parts of 6.
N_STEPS = 6


def saved(stage: RetrainingStage, record: Retraining, folder: Path) -> Path:
    folder.mkdir()
    stage.save(record, folder)
    return folder


@pytest.fixture(scope="session")
def whole(plan: RetrainingPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every step of a retraining leaves, `1` to `6`."""
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


def test_a_retraining_tells_its_curve_and_its_verdict(plan: RetrainingPlan, whole: Path) -> None:
    stage, record = loaded(plan, whole / str(N_STEPS))
    assert stage.n_steps == N_STEPS
    assert record.finished
    assert len(record.epochs) == 2
    assert [epoch.learning_rate for epoch in record.epochs] == pytest.approx([0.025, 0.0125])
    assert [epoch.drop_path for epoch in record.epochs] == [0.0, 0.2]
    assert all(epoch.seconds_training > 0 for epoch in record.epochs)
    assert record.epochs[1].train_loss < record.epochs[0].train_loss
    assert record.test.loss > 0
    assert record.test.top5 > record.test.accuracy
    assert record.test.auc is None
    assert record.part is None


def test_it_says_what_it_is(plan: RetrainingPlan, whole: Path) -> None:
    header = loaded(plan, whole / "1")[1].header
    assert (header.task, header.found_on, header.individual) == ("digits", "digits", 17)
    assert (header.n_training, header.n_test, header.n_epochs) == (1442, 355, 2)
    assert header.genotype == format_genotype(plan.spec.architecture)
    assert header.signature == plan.identity.signature
    assert header.recipe == plan.spec.label
    assert (header.shape.channels, header.shape.n_normal) == (2, 1)


@pytest.mark.parametrize("n_normal", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_parameters_are_those_of_the_network(
    plan: RetrainingPlan, n_normal: int, seed: int
) -> None:
    import numpy as np

    from emtnas_hpc.space.architecture import decode, random_chromosome

    architecture = decode(random_chromosome(np.random.default_rng(seed)))
    spec = replace(plan.spec, architecture=architecture, n_normal=n_normal)
    other = replace(plan, spec=spec)
    network = Network(other.shape, architecture, torch.Generator())
    record = other.beginning()
    assert record.parameters_in_use == sum(p.numel() for p in network.parameters())
    outputs = len(architecture.normal.outputs), len(architecture.reduction.outputs)
    n_normal_by_width = n_normal * (2**2 + 4**2 + 8**2)
    unused = (5 - outputs[0]) * n_normal_by_width + (5 - outputs[1]) * (4**2 + 8**2)
    assert record.parameters == record.parameters_in_use + unused


@pytest.mark.parametrize("number", range(1, N_STEPS))
def test_a_retraining_resumed_after_any_step_ends_in_the_same_bits(
    plan: RetrainingPlan, whole: Path, tmp_path: Path, number: int
) -> None:
    stage, record = loaded(plan, whole / str(number))
    for _step in range(number, N_STEPS):
        record = stage.advance(record, lambda: False)
    end = saved(stage, record, tmp_path / "end")
    assert list(retraining_differences(whole / str(N_STEPS), end)) == []


@pytest.mark.parametrize("after", [0, 3, 5])
def test_a_step_that_is_interrupted_is_repeated_bit_for_bit(
    plan: RetrainingPlan, whole: Path, tmp_path: Path, after: int
) -> None:
    stage, record = loaded(plan, whole / "1")
    asked = iter([False] * after + [True])
    with pytest.raises(StepInterrupted):
        stage.advance(record, lambda: next(asked))
    stage, record = loaded(plan, whole / "1")
    again = saved(stage, stage.advance(record, lambda: False), tmp_path / "again")
    assert list(retraining_differences(whole / "2", again)) == []


def test_inside_an_epoch_its_part_is_remembered(plan: RetrainingPlan, whole: Path) -> None:
    record = loaded(plan, whole / "2")[1]
    assert record.epochs == ()
    assert record.part.n_images == 2 * 6 * 96
    stage, record = loaded(plan, whole / "4")
    assert len(record.epochs) == 1
    assert record.part.n_images == 6 * 96
    assert stage.readings(record)["epoch"] == 2
    assert stage.readings(record)["accuracy"] == record.part.hits / record.part.n_images


def test_the_test_set_is_opened_once_and_at_the_end(
    plan: RetrainingPlan, data_dir: Path, tmp_path: Path, whole: Path
) -> None:
    folder = tmp_path / "package-digits"
    shutil.copytree(data_dir / folder.name, folder)
    away = tmp_path / "away"
    away.mkdir()
    for file in folder.glob("test_*"):
        file.rename(away / file.name)
    data = open_copy("digits", REGISTRY["digits"], tmp_path, None)
    blind = replace(plan, data=data)
    assert blind.identity == plan.identity
    stage = blind.stage(CPU, SILENT)
    record = stage.start()
    for _step in range(N_STEPS - 1):
        record = stage.advance(record, lambda: False)
    before = saved(stage, record, tmp_path / "before")
    with pytest.raises(UnpreparedError, match=r"test_images\.npy is missing"):
        stage.advance(record, lambda: False)
    for file in away.iterdir():
        file.rename(folder / file.name)
    stage, record = loaded(blind, before)
    end = saved(stage, stage.advance(record, lambda: False), tmp_path / "end")
    assert list(retraining_differences(whole / str(N_STEPS), end)) == []


def test_training_sees_training_and_validation_images(
    plan: RetrainingPlan, digits: Prepared
) -> None:
    assert plan.schedule.n_images == digits.n_images("train") + digits.n_images("val")


@pytest.fixture
def train_alone(plan: RetrainingPlan, changed: Callable[..., RetrainSpec]) -> RetrainingPlan:
    return replace(plan, spec=changed(training_images="train"))


def test_training_on_the_training_set_alone_reads_no_validation_image(
    train_alone: RetrainingPlan, plan: RetrainingPlan, data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "package-digits"
    shutil.copytree(data_dir / folder.name, folder)
    for file in folder.glob("val_*.npy"):
        file.write_bytes(b"?" * file.stat().st_size)
    data = open_copy("digits", REGISTRY["digits"], tmp_path, None)
    with pytest.raises(UnpreparedError, match=r"val_images\.npy has SHA-256"):
        replace(plan, data=data).stage(CPU, SILENT).start()
    ends = []
    for each in (train_alone, replace(train_alone, data=data)):
        stage = each.stage(CPU, SILENT)
        record = stage.start()
        for _step in range(stage.n_steps):
            record = stage.advance(record, lambda: False)
        ends.append(saved(stage, record, tmp_path / f"end{len(ends)}"))
    assert list(retraining_differences(*ends)) == []
    assert record.finished
    assert record.header.n_training == data.n_images("train") == 1157
    assert record.header.n_test == 355


def test_training_on_the_training_set_alone_is_resumed_in_the_same_bits(
    train_alone: RetrainingPlan, tmp_path: Path
) -> None:
    stage = train_alone.stage(CPU, SILENT)
    record = stage.start()
    for number in range(1, stage.n_steps + 1):
        record = stage.advance(record, lambda: False)
        folder = saved(stage, record, tmp_path / str(number))
    again, record = loaded(train_alone, tmp_path / "2")
    for _step in range(2, again.n_steps):
        record = again.advance(record, lambda: False)
    end = saved(again, record, tmp_path / "end")
    assert list(retraining_differences(folder, end)) == []


def test_what_is_trained_on_is_part_of_the_identity_where_it_is_not_both_sets(
    train_alone: RetrainingPlan, plan: RetrainingPlan
) -> None:
    name = "retraining.training_images"
    assert name not in plan.identity.values
    assert train_alone.identity.values == {**plan.identity.values, name: "train"}
    assert train_alone.spec.name.startswith("digits-n1-quick+training_images=train+channels=2")


def test_another_seed_begins_with_other_weights(
    plan: RetrainingPlan, whole: Path, tmp_path: Path
) -> None:
    other = replace(plan, spec=replace(plan.spec, seed=4))
    stage = other.stage(CPU, SILENT)
    end = saved(stage, stage.advance(stage.start(), lambda: False), tmp_path / "end")
    named = list(retraining_differences(whole / "1", end))
    assert "record.json: header.seed is 3 against 4" in named
    assert any(line.startswith("weights.pt: weights: ") for line in named)


class Diverging:
    """A trainer whose loss is no number from its second step on."""

    def __init__(self) -> None:
        self.losses = iter([1.0, math.nan, 1.0, 2.0, math.inf, 0.5])

    def train(self, step: Step, interrupted: Interrupted) -> StepResult:
        return StepResult(step.last - step.first, next(self.losses), 0.5)

    def test(self, interrupted: Interrupted) -> TestResult:
        return TestResult(0.1, None, None, None, 0.0)

    def save(self, file: Path) -> None:
        file.touch()

    def load(self, file: Path) -> None: ...


def test_a_loss_that_is_no_number_is_none_for_its_epoch_and_can_be_saved(
    plan: RetrainingPlan, tmp_path: Path
) -> None:
    trainer = Diverging()
    stage = RetrainingStage("retraining/x", plan.beginning(), plan.schedule, lambda: trainer)
    record = stage.start()
    for number in range(1, N_STEPS + 1):
        record = stage.advance(record, lambda: False)
        record = stage.load(saved(stage, record, tmp_path / str(number)))
    assert [epoch.train_loss for epoch in record.epochs] == [None, None]
    assert [epoch.train_accuracy for epoch in record.epochs] == [0.5, 0.5]
    assert stage.readings(record)["loss"] is None


def test_phases_are_told(plan: RetrainingPlan, tmp_path: Path) -> None:
    told: list[str] = []
    stage = RetrainingStage(
        "retraining/x",
        plan.beginning(),
        plan.schedule,
        Diverging,
        on_phase=lambda phase, _what: told.append(phase),
    )
    record = stage.start()
    for _step in range(N_STEPS):
        record = stage.advance(record, lambda: False)
    saved(stage, record, tmp_path / "end")
    assert told == ["training"] * N_STEPS + ["test", "commit"]
