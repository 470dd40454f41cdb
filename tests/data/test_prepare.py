import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.data.dataset import Prepared, open_copy
from emtnas_hpc.data.opening import open_task
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError, StorageError
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.hints import prepare_hints

Limit = Callable[[int], AbstractContextManager[None]]
MEND = "emtnas-hpc prepare --data data mine"


@pytest.fixture
def task(npz: Path) -> TaskSettings:
    return TaskSettings(source=f"npz:{npz}")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(task: TaskSettings, data_dir: Path, lines: list[str]) -> Prepared:
    return prepare("mine", task, data_dir)


def test_prepared_images_are_those_of_the_source(
    task: TaskSettings, data_dir: Path, lines: list[str], arrays: dict[str, Any]
) -> None:
    run(task, data_dir, lines)
    prepared = open_copy("mine", task, data_dir, None)
    assert (prepared.n_classes, prepared.image_channels, prepared.image_size) == (3, 1, 8)
    assert not prepared.multi_label
    for split in ("train", "val", "test"):
        images = prepared.load(split)
        assert np.array_equal(images.images[..., 0], arrays[f"{split}_images"])
        assert np.array_equal(images.labels, arrays[f"{split}_labels"])
        assert prepared.n_images(split) == len(images)


def test_preparing_twice_verifies_and_writes_nothing(
    task: TaskSettings, data_dir: Path, lines: list[str]
) -> None:
    folder = run(task, data_dir, lines).folder
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    lines.clear()
    run(task, data_dir, lines)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert lines == [
        "mine: 60 training, 12 validation and 9 test images of 8x8x1, 3 classes, in " + str(folder)
    ]


def test_pooling_happens_when_images_are_loaded(
    tmp_path: Path, data_dir: Path, lines: list[str], arrays: dict[str, Any]
) -> None:
    rng = np.random.default_rng(1)
    for split in ("train", "val", "test"):
        n = len(arrays[f"{split}_labels"])
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 16, 16), np.uint8)
    np.savez(tmp_path / "large.npz", **arrays)
    task = TaskSettings(source=f"npz:{tmp_path / 'large.npz'}", pool=2)
    prepared = run(task, data_dir, lines)
    assert prepared.image_size == 8
    squares = arrays["val_images"].reshape(12, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.array_equal(prepared.load("val").images[..., 0], np.rint(squares))


def test_the_digest_is_of_what_a_search_sees_and_nothing_else(
    npz: Path, task: TaskSettings, data_dir: Path, lines: list[str], arrays: dict[str, Any]
) -> None:
    prepared = run(task, data_dir, lines)
    digest = prepared.digest
    pooled = replace(prepared, task=TaskSettings(source=f"npz:{npz}", pool=2)).digest
    np.savez(npz, **{**arrays, "test_images": arrays["test_images"][::-1]})
    other_test = run(task, data_dir, lines).digest
    np.savez(npz, **{**arrays, "val_labels": arrays["val_labels"][::-1]})
    other_val = run(task, data_dir, lines).digest
    assert digest == other_test
    assert len({digest, pooled, other_val}) == 3


def test_a_file_that_the_user_has_changed_is_prepared_again(
    npz: Path, task: TaskSettings, data_dir: Path, lines: list[str], arrays: dict[str, Any]
) -> None:
    run(task, data_dir, lines)
    np.savez(npz, **{**arrays, "train_images": 255 - arrays["train_images"]})
    prepared = open_task("mine", task, data_dir)
    assert any("has changed" in line for line in lines)
    assert np.array_equal(prepared.load("train").images[..., 0], 255 - arrays["train_images"])


def test_a_prepared_set_outlives_its_source(
    npz: Path, task: TaskSettings, data_dir: Path, lines: list[str]
) -> None:
    digest = run(task, data_dir, lines).digest
    npz.unlink()
    assert run(task, data_dir, lines).digest == digest


def test_a_search_prepares_local_data_by_itself_and_only_once(
    task: TaskSettings, data_dir: Path, lines: list[str]
) -> None:
    first = open_task("mine", task, data_dir)
    lines.clear()
    second = open_task("mine", task, data_dir)
    assert first.digest == second.digest
    assert lines == []


def test_a_search_never_downloads(data_dir: Path, lines: list[str]) -> None:
    task = TaskSettings(source="torchvision:CIFAR10")
    named = r"torchvision-cifar10/manifest\.json .*" + MEND
    with pytest.raises(DataError, match=named), prepare_hints(MEND):
        open_task("cifar10", task, data_dir)
    assert not data_dir.exists()


def test_an_image_folder_is_prepared_and_prepared_again_when_a_picture_changes(
    tmp_path: Path, data_dir: Path, lines: list[str]
) -> None:
    from PIL import Image

    for name in ("cats", "dogs"):
        for n in range(10):
            path = tmp_path / f"pictures/train/{name}/{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), n).save(path)
    task = TaskSettings(source=f"images:{tmp_path / 'pictures'}", image_size=8)
    prepared = run(task, data_dir, lines)
    assert prepared.image_size == 8
    assert prepared.manifest.n_images == {"train": 14, "val": 2, "test": 4}
    Image.new("L", (16, 16), 99).save(tmp_path / "pictures/train/dogs/0.png")
    changed = open_task("mine", task, data_dir)
    assert changed.digest != prepared.digest


def test_images_outlive_a_folder_that_is_cleared(
    tmp_path: Path, data_dir: Path, lines: list[str]
) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    for name in ("cats", "dogs"):
        for n in range(10):
            path = folder / f"train/{name}/{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (16, 16), n).save(path)
    task = TaskSettings(source=f"images:{folder}", image_size=8)
    digest = run(task, data_dir, lines).digest
    for path in folder.glob("train/*/*"):
        path.unlink()
    assert run(task, data_dir, lines).digest == digest
    for path in (folder / "train", folder):
        shutil.rmtree(path)
        assert run(task, data_dir, lines).digest == digest


@pytest.mark.parametrize("setting", ["mean", "std"])
def test_normalisation_for_another_number_of_channels_is_refused_with_both_numbers(
    setting: str, npz: Path, data_dir: Path, lines: list[str]
) -> None:
    task = TaskSettings.model_validate({"source": f"npz:{npz}", setting: (0.5, 0.5, 0.5)})
    with pytest.raises(DataError, match=rf"task\.mine\.{setting} has 3 values, expected 1"):
        run(task, data_dir, lines)


def test_one_mean_serves_all_channels(data_dir: Path, npz: Path, lines: list[str]) -> None:
    rng = np.random.default_rng(8)
    colours = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
    np.savez(npz, train_images=colours, train_labels=np.arange(20) % 2)
    task = TaskSettings(source=f"npz:{npz}", mean=(0.25,), std=(0.1, 0.2, 0.3))
    prepared = run(task, data_dir, lines)
    assert prepared.mean == (0.25, 0.25, 0.25)
    assert prepared.std == (0.1, 0.2, 0.3)


def test_pooling_to_less_than_a_network_can_halve_twice_is_refused(
    npz: Path, data_dir: Path, lines: list[str]
) -> None:
    message = r"task\.mine\.pool is 2: images of 8 pixels become 4 wide, expected at least 8"
    with pytest.raises(DataError, match=message):
        run(TaskSettings(source=f"npz:{npz}", pool=2), data_dir, lines)


def test_a_full_disk_leaves_nothing_that_looks_prepared(
    task: TaskSettings, data_dir: Path, lines: list[str], small_files: Limit
) -> None:
    with small_files(1000), pytest.raises(StorageError, match="make room"):
        run(task, data_dir, lines)
    folder = data_dir / parse_source(task).key
    assert not folder.exists()
    assert list(data_dir.glob("*.partial")) == []
    assert len(run(task, data_dir, lines).load("train")) == 60


def test_a_full_disk_leaves_the_damaged_set_that_was_to_be_replaced(
    task: TaskSettings, data_dir: Path, lines: list[str], small_files: Limit
) -> None:
    folder = run(task, data_dir, lines).folder
    (folder / "test_labels.npy").unlink()
    with small_files(1000), pytest.raises(StorageError):
        run(task, data_dir, lines)
    assert len(open_copy("mine", task, data_dir, None).load("train")) == 60


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_directories_is_accepted(
    task: TaskSettings,
    data_dir: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    fsync = os.fsync

    def refuse_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "cannot")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_directories)
    assert len(run(task, data_dir, lines).load("train")) == 60


def test_what_a_killed_process_left_behind_is_removed_and_never_used(
    task: TaskSettings, data_dir: Path, lines: list[str]
) -> None:
    leftover = data_dir / f".{parse_source(task).key}.0123.partial/built"
    leftover.mkdir(parents=True)
    (leftover / "train_images.npy").write_bytes(b"half")
    assert len(run(task, data_dir, lines).load("train")) == 60
    assert not leftover.parent.exists()


def test_a_second_process_waits_and_then_uses_what_the_first_has_prepared(
    task: TaskSettings, data_dir: Path, lines: list[str]
) -> None:
    data_dir.mkdir()

    def second() -> None:
        prepare("mine", task, data_dir)

    thread = threading.Thread(target=second)
    with exclusive(data_dir / f".{parse_source(task).key}.lock", pytest.fail) as alone:
        assert alone
        thread.start()
        while not lines:
            time.sleep(0.01)
    thread.join(timeout=60)
    assert "waiting for another process" in lines[0]
    assert len(open_copy("mine", task, data_dir, None).load("train")) == 60


def test_odd_characters_in_paths_are_no_obstacle(
    tmp_path: Path, arrays: dict[str, Any], lines: list[str]
) -> None:
    odd = tmp_path / 'it\'s a "set"\n of [mine]'
    odd.mkdir()
    np.savez(odd / "a b*.npz", **arrays)
    task = TaskSettings(source=f"npz:{odd / 'a b*.npz'}")
    assert len(run(task, odd / "data dir", lines).load("val")) == 12


@pytest.mark.slow
def test_reading_a_prepared_set_takes_neither_torch_nor_the_package_it_came_from(
    tmp_path: Path,
) -> None:
    program = (
        "import sys; from pathlib import Path; from emtnas_hpc.data.opening import open_task; "
        "from emtnas_hpc.data.sources import REGISTRY; "
        "task = REGISTRY['digits']; where = Path(sys.argv[1]); "
        "load = lambda: open_task('digits', task, where).load('train'); "
        "len(load()) == 1157 or sys.exit('wrong'); "
        "heavy = {'torch', 'sklearn', 'torchvision', 'medmnist', 'PIL'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        ).stdout
        for _time in range(2)
    ]
    assert "torch" not in outputs[0]
    assert outputs[1] == "[]\n"


def test_the_real_cifar_subset_keeps_its_test_set_and_gives_a_fifth_to_validation(
    shared: Path, data_dir: Path, lines: list[str]
) -> None:
    path = shared / "cifar10_tiny.npz"
    prepared = run(TaskSettings(source=f"npz:{path}"), data_dir, lines)
    train, val, test = (prepared.load(split) for split in ("train", "val", "test"))
    with np.load(path) as source:
        labels, images = source["train_labels"], source["train_images"]
        assert np.array_equal(test.images, source["test_images"])
    held_out = np.concatenate([np.flatnonzero(labels == k)[4::5] for k in range(10)])
    held_out.sort()
    assert np.array_equal(val.images, images[held_out])
    assert np.array_equal(train.images, np.delete(images, held_out, axis=0))
    assert np.bincount(val.labels).tolist() == [20] * 10


def test_work_goes_on_without_a_lock_where_the_file_system_has_none(
    task: TaskSettings, data_dir: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    # It may be that of another process that is at work.
    unfinished = data_dir / f".{parse_source(task).key}.0123.partial"
    unfinished.mkdir(parents=True)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert len(run(task, data_dir, lines).load("train")) == 60
    assert unfinished.exists()


@pytest.mark.parametrize("place", ["mine.npz", "mine.npz/data", "/proc/data"])
def test_a_data_directory_that_cannot_be_made_is_bad_input(npz: Path, place: str) -> None:
    task = TaskSettings(source=f"npz:{npz}")
    with pytest.raises(DataError, match=r"cannot write .*; choose a directory with --data that"):
        prepare("mine", task, npz.parent / place)


def test_a_file_with_too_few_images_is_named(npz: Path, arrays: dict[str, Any]) -> None:
    np.savez(npz, **{key: arrays[key][:6] for key in ("train_images", "train_labels")})
    task = TaskSettings(source=f"npz:{npz}")
    with pytest.raises(DataError, match=r"mine\.npz: training images of class '0' are too few"):
        prepare("mine", task, npz.parent / "data")
