import hashlib
import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emtnas_hpc.data.dataset import Prepared, TaskData
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import DataError

Batches = dict[str, dict[str, Any]]


def make_batches(names: list[str], labels_key: str) -> Batches:
    """Twenty images a file, of two classes."""
    rng = np.random.default_rng(7)
    return {
        name: {
            "data": rng.integers(0, 256, (20, 3072), np.uint8),
            labels_key: [n % 2 for n in range(20)],
        }
        for name in names
    }


def make_archive(
    reader: Any, files: Batches, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes the archive that torchvision would download, and declares it the official one."""
    md5s = {}
    with tarfile.open(folder / reader.filename, "w:gz") as archive:
        for name, content in files.items():
            pickled = pickle.dumps(content)
            md5s[name] = hashlib.md5(pickled).hexdigest()
            member = tarfile.TarInfo(f"{reader.base_folder}/{name}")
            member.size = len(pickled)
            archive.addfile(member, io.BytesIO(pickled))
    archive_md5 = hashlib.md5((folder / reader.filename).read_bytes()).hexdigest()
    monkeypatch.setattr(reader, "tgz_md5", archive_md5)
    monkeypatch.setattr(reader, "url", "http://127.0.0.1:9/nowhere")
    for files_of in ("train_list", "test_list"):
        official = [[name, md5s[name]] for name, _md5 in getattr(reader, files_of)]
        monkeypatch.setattr(reader, files_of, official)
    meta = reader.meta["filename"]
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5s[meta]})


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batches:
    from torchvision.datasets import CIFAR10

    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    files = make_batches(names, "labels")
    make_archive(
        CIFAR10, {**files, "batches.meta": {"label_names": ["cat", "dog"]}}, tmp_path, monkeypatch
    )
    return files


def run(name: str, data_dir: Path, lines: list[str]) -> Prepared:
    return prepare(name, REGISTRY[name], data_dir)


def test_cifar10_is_read_from_its_archive_and_split_by_every_fifth_of_a_class(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    prepared = run("cifar10", tmp_path, lines)
    assert prepared.manifest.n_images == {"train": 80, "val": 20, "test": 20}
    assert prepared.manifest.classes == ("cat", "dog")
    pixels = np.concatenate([cifar10[f"data_batch_{n}"]["data"] for n in range(1, 6)])
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    held_out = [n for n in range(100) if n // 2 % 5 == 4]
    assert np.array_equal(prepared.load("val").images, images[held_out])
    assert np.array_equal(prepared.load("train").images, np.delete(images, held_out, axis=0))
    assert prepared.load("test").labels.tolist() == [0, 1] * 10


def test_the_authors_split_lies_beside_ours_and_leaves_it_as_it_was(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    ours = run("cifar10", tmp_path, lines)
    before = {path.name: path.read_bytes() for path in ours.folder.iterdir()}
    task = REGISTRY["cifar10"].model_copy(update={"validation_split": "first"})
    authors = prepare("cifar10", task, tmp_path)
    assert authors.folder.name == "torchvision-cifar10-validation-first"
    assert {path.name: path.read_bytes() for path in ours.folder.iterdir()} == before
    assert authors.digest != ours.digest
    pixels = np.concatenate([cifar10[f"data_batch_{n}"]["data"] for n in range(1, 6)])
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    held_out = [n for n in range(100) if n // 2 % 5 == 0]
    assert np.array_equal(authors.load("val").images, images[held_out])
    assert np.array_equal(authors.load("train").images, np.delete(images, held_out, axis=0))
    assert np.array_equal(authors.load("test").images, ours.load("test").images)
    assert run("cifar10", tmp_path, lines).folder == ours.folder


def test_its_prepared_folder_is_the_same_in_every_version(
    cifar10: Batches, tmp_path: Path, lines: list[str], frozen: Callable[[TaskData], object]
) -> None:
    # Written down once and never changed, as in test_frozen.py.
    assert frozen(run("cifar10", tmp_path, lines)) == (
        "c58965aab962d7d72bc862b5f377c7726fcfef6331551564e5814a6191f30b30",
        "7ef1d1545d2ba8e1b28b5505f35a35a9d871a0683c4361221fc1f32535e3c1f0",
        "93d64d49ccfd74e7d5a75383f83fa0405332c727e85e014821b0b82b0b5958b1",
    )


def test_nothing_but_the_archive_and_the_prepared_set_stays_behind(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    run("cifar10", tmp_path, lines)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cifar-10-python.tar.gz", "torchvision-cifar10", ".torchvision-cifar10.lock"}


def test_an_archive_that_the_user_unpacked_is_used(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    assert len(run("cifar10", tmp_path, lines).load("train")) == 80
    assert (tmp_path / "cifar-10-batches-py").is_dir()


def test_a_damaged_unpacked_file_is_refused_with_its_folder(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "cifar-10-batches-py/data_batch_3").write_bytes(b"")
    with pytest.raises(DataError, match=r"cifar-10-batches-py is missing or has not the official"):
        run("cifar10", tmp_path, lines)


def test_a_truncated_archive_is_refused_by_its_checksum(
    cifar10: Batches, tmp_path: Path, lines: list[str]
) -> None:
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz has MD5 .*remove it"):
        run("cifar10", tmp_path, lines)


def test_cifar100_is_read_with_its_fine_labels(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR100

    files = make_batches(["train", "test"], "fine_labels")
    meta = {"fine_label_names": ["apple", "bear"]}
    make_archive(CIFAR100, {**files, "meta": meta}, tmp_path, monkeypatch)
    prepared = run("cifar100", tmp_path, lines)
    assert prepared.manifest.classes == ("apple", "bear")
    assert prepared.manifest.n_images == {"train": 16, "val": 4, "test": 20}


def test_without_archive_and_network_the_message_says_what_to_copy_where(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    where = tmp_path / "cifar-10-python.tar.gz"
    with pytest.raises(DataError, match=f"without internet, copy that file to {where}"):
        run("cifar10", tmp_path, lines)
