import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.dataset import Prepared
from emtnas_hpc.errors import DataError, InputError, UnpreparedError
from emtnas_hpc.retraining.record import TestResult, write_retraining
from emtnas_hpc.retraining.run_dir import (
    images_retrained_on,
    is_finished,
    plan_retraining,
    read_identity,
    refuse_other_retraining,
    store_identity,
)
from emtnas_hpc.retraining.spec import RetrainingPlan, RetrainSpec
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.space.architecture import decode

Changed = Callable[..., RetrainSpec]


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "seed-3")


@contextmanager
def owned(paths: RunPaths) -> Iterator[Lease]:
    lease = acquire(paths, this_process())
    yield lease
    lease.release()


def finish(paths: RunPaths, plan: RetrainingPlan) -> None:
    """Commits the record of a retraining that is over, after storing what it is for."""
    with owned(paths) as lease:
        signature = store_identity(paths, plan, lease)
        record = replace(plan.beginning(), test=TestResult(0.5, None, None, None, 0.0))
        store = RunStore(paths, plan.spec.stage_name, signature=signature, lease=lease)
        store.commit(6, lambda folder: write_retraining(record, folder / "record.json"))


def left(paths: RunPaths, order: RetrainSpec, data_dir: Path) -> RetrainingPlan | None:
    run = RunSpec(order.experiment, order.seed, paths, data_dir, "cpu")
    return plan_retraining(run, order)


def test_what_a_folder_is_for_is_written_once_and_read_back(
    paths: RunPaths, plan: RetrainingPlan
) -> None:
    assert read_identity(paths.stage(plan.spec.stage_name)) is None
    with owned(paths) as lease:
        assert store_identity(paths, plan, lease) == plan.identity.signature
        file = paths.stage(plan.spec.stage_name).identity
        before = file.stat().st_mtime_ns
        assert store_identity(paths, plan, lease) == plan.identity.signature
        assert file.stat().st_mtime_ns == before
    stored = read_identity(paths.stage(plan.spec.stage_name))
    assert stored.values == plan.identity.values


def test_another_architecture_is_refused_with_the_difference(
    paths: RunPaths, plan: RetrainingPlan
) -> None:
    with owned(paths) as lease:
        store_identity(paths, plan, lease)
    other = replace(plan, spec=replace(plan.spec, architecture=decode((0,) * 40), seed=4))
    with pytest.raises(InputError, match=r"was made with other settings: genotype is .*; seed is"):
        refuse_other_retraining(paths, other)


def test_a_folder_of_an_earlier_version_goes_on_under_its_own_signature(
    paths: RunPaths, plan: RetrainingPlan, changed: Changed
) -> None:
    """It knew one setting less: what it did not know has its default."""
    order = changed(part_batches=1000)
    asked = replace(plan, spec=order)
    with owned(paths) as lease:
        store_identity(paths, asked, lease)
        file = paths.stage(order.stage_name).identity
        lines = file.read_text().replace(asked.identity.signature, "e" * 64).splitlines()
        file.write_text("\n".join(line for line in lines if "part_batches" not in line))
        assert store_identity(paths, asked, lease) == "e" * 64


@pytest.mark.parametrize(
    "text",
    [
        *("hello", "a = 1", "signature = 's'\nidentity = 3", "\udcff"),
        "signature = 's'\n[identity]\ntask = 'digits'",
    ],
)
def test_a_file_that_is_none_of_ours_is_named_and_passed_over_by_other_retrainings(
    paths: RunPaths, plan: RetrainingPlan, text: str
) -> None:
    file = paths.stage(plan.spec.stage_name).identity
    file.parent.mkdir(parents=True)
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"is not the retraining\.toml of a retraining"):
        read_identity(paths.stage(plan.spec.stage_name))
    assert images_retrained_on(paths, "digits", plan.spec.images) is None


def test_a_retraining_that_is_finished_needs_its_data_no_more(
    paths: RunPaths, plan: RetrainingPlan, data_dir: Path, changed: Changed
) -> None:
    gone = changed(images=TaskSettings(**{**dict(plan.spec.images), "source": "npz:gone.npz"}))
    assert left(paths, plan.spec, data_dir) == plan
    with pytest.raises(DataError, match=r"gone\.npz"):
        left(paths, gone, data_dir)
    finish(paths, plan)
    assert left(paths, plan.spec, data_dir) is None
    assert left(paths, gone, data_dir) is None
    with pytest.raises(DataError, match=r"gone\.npz"):
        left(paths, replace(gone, seed=4), data_dir)


@pytest.mark.parametrize("damage", ["record", "manifest", "none yet", "half"])
def test_a_retraining_is_finished_when_its_last_commit_is_good_and_has_the_verdict(
    paths: RunPaths, plan: RetrainingPlan, damage: str
) -> None:
    assert not is_finished(paths, plan.spec)
    finish(paths, plan)
    assert is_finished(paths, plan.spec)
    commit = paths.stage(plan.spec.stage_name).commit(6)
    if damage == "record":
        (commit / "record.json").write_text("noise")
    elif damage == "manifest":
        (commit / "manifest.json").unlink()
    elif damage == "none yet":
        commit.rename(commit.with_name("gone"))
    else:
        with owned(paths) as lease:
            signature = plan.identity.signature
            store = RunStore(paths, plan.spec.stage_name, signature=signature, lease=lease)
            record = plan.beginning()
            store.commit(7, lambda folder: write_retraining(record, folder / "record.json"))
    assert not is_finished(paths, plan.spec)


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_test_set_that_is_not_there_is_missed_at_the_start_and_not_at_the_end(
    paths: RunPaths, order: RetrainSpec, digits: Prepared, tmp_path: Path, damage: str
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(digits.folder, data_dir / digits.folder.name)
    file = data_dir / digits.folder.name / "test_images.npy"
    file.unlink() if damage == "missing" else file.write_bytes(b"")
    with pytest.raises(UnpreparedError, match=r"test_images\.npy "):
        left(paths, order, data_dir)
    assert not paths.directory.exists()


def test_a_finished_retraining_needs_no_test_set(
    paths: RunPaths, plan: RetrainingPlan, digits: Prepared, tmp_path: Path
) -> None:
    finish(paths, plan)
    data_dir = tmp_path / "data"
    shutil.copytree(digits.folder, data_dir / digits.folder.name)
    (data_dir / digits.folder.name / "test_images.npy").unlink()
    assert left(paths, plan.spec, data_dir) is None
