import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import DataError


def make_official(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declares the file at `path` the official one."""
    from medmnist import INFO

    monkeypatch.setitem(INFO[name], "MD5", hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setitem(INFO[name], "url", "http://127.0.0.1:9/nowhere")


def make_file(path: Path, colours: tuple[int, ...], labels: np.ndarray) -> dict[str, np.ndarray]:
    """A file of MedMNIST's layout with a handful of images."""
    rng = np.random.default_rng(5)
    arrays: dict[str, np.ndarray] = {}
    for split, n in (("train", 40), ("val", 12), ("test", 13)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 28, 28, *colours), np.uint8)
        arrays[f"{split}_labels"] = labels[rng.integers(0, len(labels), n)]
    np.savez_compressed(path, **arrays)
    return arrays


@pytest.mark.parametrize(
    ("name", "colours", "n_classes"), [("pathmnist", (3,), 9), ("organamnist", (), 11)]
)
def test_the_official_splits_are_taken_over_as_they_are(
    name: str,
    colours: tuple[int, ...],
    n_classes: int,
    tmp_path: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.arange(n_classes, dtype=np.uint8)[:, np.newaxis]
    arrays = make_file(tmp_path / f"{name}.npz", colours, labels)
    make_official(name, tmp_path / f"{name}.npz", monkeypatch)
    prepared = prepare(name, REGISTRY[name], tmp_path)
    assert prepared.n_classes == n_classes
    assert prepared.image_channels == (colours or (1,))[0]
    for split in ("train", "val", "test"):
        images = prepared.load(split)
        assert np.array_equal(
            images.images.reshape(arrays[f"{split}_images"].shape), arrays[f"{split}_images"]
        )
        assert np.array_equal(images.labels, arrays[f"{split}_labels"][:, 0])


def test_chest_images_keep_all_their_labels(
    tmp_path: Path,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    frozen: Callable[[TaskData], object],
) -> None:
    path = tmp_path / "chestmnist.npz"
    arrays = make_file(path, (), np.random.default_rng(6).integers(0, 2, (30, 14), np.uint8))
    make_official("chestmnist", path, monkeypatch)
    prepared = prepare("chestmnist", REGISTRY["chestmnist"], tmp_path)
    assert prepared.multi_label
    assert prepared.n_classes == 14
    train = prepared.load("train")
    assert train.labels.dtype == np.float32
    assert np.array_equal(train.labels, arrays["train_labels"])
    # Written down once and never changed, as in test_frozen.py.
    assert frozen(prepared) == (
        "b18aef024b3d9ebd28169d938c0eb7bc0fe86ff236ef08643e8c849f64474bcf",
        "16eaeb9a1161982da45e8497970765c1ff62df005cfa0bdcb06d9298d6028fad",
        "471ffc096fd98fa0d06fa2916b66c01e0542f74c2c66a7e5b8c3b4f71cf57314",
    )


def test_a_file_that_is_not_the_official_one_is_refused(tmp_path: Path, lines: list[str]) -> None:
    make_file(tmp_path / "pathmnist.npz", (3,), np.arange(9)[:, np.newaxis])
    with pytest.raises(DataError, match=r"pathmnist\.npz has MD5 .*, expected a8b06"):
        prepare("pathmnist", REGISTRY["pathmnist"], tmp_path)
    assert not (tmp_path / "medmnist-pathmnist").exists()


def test_real_breast_images_are_those_that_the_package_itself_reads(
    shared: Path, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import medmnist

    shutil.copy(shared / "breastmnist.npz", tmp_path)
    make_official("breastmnist", tmp_path / "breastmnist.npz", monkeypatch)
    prepared = prepare("breastmnist", REGISTRY["breastmnist"], tmp_path)
    for split in ("train", "val", "test"):
        theirs = medmnist.BreastMNIST(split=split, root=str(tmp_path), download=False)
        ours = prepared.load(split)
        assert len(ours) == medmnist.INFO["breastmnist"]["n_samples"][split]
        assert np.array_equal(ours.images[..., 0], theirs.imgs)
        assert np.array_equal(ours.labels, theirs.labels[:, 0])


#: Prepares a set from a URL of its own, and dies when the download is whole but has no name yet.
KILLED = """
import os, signal, sys
from pathlib import Path
from medmnist import INFO
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY

INFO["organamnist"]["url"] = Path(sys.argv[1]).as_uri()
os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
prepare("organamnist", REGISTRY["organamnist"], Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_the_next_preparation_removes_a_download_that_was_killed(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    official, data_dir = tmp_path / "organamnist.npz", tmp_path / "data"
    make_file(official, (), np.arange(11, dtype=np.uint8)[:, np.newaxis])
    make_official("organamnist", official, monkeypatch)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(official), str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    shutil.copy(official, data_dir)
    prepare("organamnist", REGISTRY["organamnist"], data_dir)
    assert list(data_dir.glob(".*.partial")) == []
