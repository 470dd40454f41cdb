"""What runs have stored digests of: a prepared folder of each kind, byte for byte.

Its numbers were written down once and are never changed: another number means that no run of
before finds its images again.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY, parse_source
from emtnas_hpc.settings.experiment import TaskSettings

Frozen = Callable[[TaskData], tuple[str, str, str]]
#: When all files were changed: times are part of a fingerprint.
MOMENT = 1_700_000_000_000_000_000
DATA = Path("data")

NPZ_MANIFEST = """\
{
 "schema_version": 1,
 "source": "npz:mine.npz",
 "fingerprint": "3450 bytes, 1700000000000000000 ns",
 "classes": [
  "0",
  "1"
 ],
 "n_images": {
  "train": 24,
  "val": 6,
  "test": 4
 },
 "files": {
  "train_images.npy": {
   "n_bytes": 1664,
   "sha256": "406d4e854a7ddaa568531e20ae5935146944728c5a279b4456f6e4e92795be81"
  },
  "train_labels.npy": {
   "n_bytes": 320,
   "sha256": "bea990747d721c0d506b7ff4fb1fe6580365a063d860515cdc402a802a346758"
  },
  "val_images.npy": {
   "n_bytes": 512,
   "sha256": "9b9b360688ef11fcfde5e7fb8a4161ab31b11ed28a29bc3a85e47d1303859725"
  },
  "val_labels.npy": {
   "n_bytes": 176,
   "sha256": "34884b42cb746d63ac35e658c18d60361b21464a9cf53a92289830e247ef6478"
  },
  "test_images.npy": {
   "n_bytes": 384,
   "sha256": "bf997e88279635b941ca9f067e691b1495880233e296b27dded20fc2fa0c1a40"
  },
  "test_labels.npy": {
   "n_bytes": 160,
   "sha256": "dbe1cc8058e6d4a4659f0927fdb2f04712f8e63b879026c70966ceea6659350b"
  },
  "names.json": {
   "n_bytes": 692,
   "sha256": "fbaf5dc0e12a8c1eeaf9f06e247cc308fca66c36a1bc8c4c9ece433a8414cdea"
  }
 },
 "image_channels": 1,
 "image_size": 8,
 "multi_label": false,
 "conversion": ""
}"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, content: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
    os.utime(path, ns=(MOMENT, MOMENT))


def portable_map(seed: int, kind: int, largest: int) -> bytes:
    """A picture of 8x8 whose bytes depend on no library: kind 5 is grey, kind 6 in colour."""
    values = np.random.default_rng(seed).integers(0, largest + 1, (8, 8, 3 if kind == 6 else 1))
    pixels = values.astype(np.uint8 if largest < 256 else ">u2").tobytes()
    return f"P{kind} 8 8 {largest}\n".encode() + pixels


def test_a_file_of_arrays(frozen: Frozen) -> None:
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (30, 8, 8), np.uint8), np.arange(30) % 2
    np.savez("mine.npz", x_train=images, y_train=labels, x_test=images[:4], y_test=labels[:4])
    os.utime("mine.npz", ns=(MOMENT, MOMENT))
    data = prepare("mine", TaskSettings(source="npz:mine.npz", pool=1), DATA)
    assert (data.folder / "manifest.json").read_text() == NPZ_MANIFEST
    assert frozen(data) == (
        "a8552f67f5ba130b01a862b428d374d4e879abe9f971cbe64eed8939f88c7904",
        "2117a0fce8f7981bbab3fbe77ca600a49521395ef25c10944bf246bce4ca90ca",
        "c6c3aec110294fc51f80c5a48633306dddbdf00cfdfc2e36b0ce5c4e70655153",
    )
    pooled = "2754806d84a4a1a0f94e24786dbeee654da842fbe49c71ed1e69b69254f7bb56"
    assert data.manifest.search_digest(2) == pooled


@pytest.mark.parametrize(
    ("kind", "largest", "expected"),
    [
        (
            5,
            255,
            (
                "1cbf7bd7ce3ea89d63b1bf2f57eef9fad748989c5f1dc7bba0f5ea932da4ceac",
                "48fed0bcbb5ba1c040db4349f7c41d61932ecd51715a1d4eb26b5cd3d620ef54",
                "22fe466877afde17a5cb8aff4994ff03bb583c7ac44e9b435fd36f4bc40df115",
            ),
        ),
        (
            6,
            255,
            (
                "c3d95f0a1ff48bf73b58a0de7982734ae82a54f27156b55c0ae336d19d014644",
                "d2c4fe558c6dc1b8182df7be088a26c96961436e1b490f32a680ac5418f759d1",
                "84b489f44e30e5a368483562bf825eea85b4cd99031a91f1e9a91a678c84118b",
            ),
        ),
        (
            5,
            65_535,
            (
                "2a135fe649de0261a35aac087d2e3dd2fe32473cd89839b3b02d3194f2f8dea1",
                "7d3cb62c396d0cc3d8e967278a5bc22c1873c678c0e06478bc32a5af3aeb533b",
                "e4b2a18f0406537e45f2e4e57c9fad34a88d255d35fc6ec07d43aded1511936d",
            ),
        ),
    ],
)
def test_a_folder_of_pictures(
    kind: int, largest: int, expected: tuple[str, str, str], frozen: Frozen
) -> None:
    for label, name in enumerate(("cat", "dög")):
        for i in range(10):
            content = portable_map(100 * label + i, kind, largest)
            write(f"pics/train/{name}/{i:02}.pnm", content)
        write(f"pics/validation/{name}/deep/0.pnm", portable_map(7 + label, kind, largest))
    data = prepare("mine", TaskSettings(source="images:pics", image_size=8), DATA)
    assert frozen(data) == expected


def test_a_folder_of_pictures_that_is_listed(frozen: Frozen) -> None:
    for label, name in enumerate(("n01", "n02")):
        for i in range(3):
            write(f"data/birds/train/{name}/{i}.ppm", portable_map(10 * label + i, 6, 255))
        write(f"data/birds/val/{name}/0.pgm", portable_map(label, 5, 255))
    task = TaskSettings(source="imagenet:birds", image_size=64, stem="strided")
    data = prepare("birds", task, DATA)
    assert data.folder.name == "imagenet-birds-7f14eadc"
    assert frozen(data) == (
        "6d9f7122f73a23fcb496f7f02bc59327104f45ca86739caa6f763155fb5de638",
        "e5f51f6574694ccad2ca32db2034db3df1017f29d8a71a64d849d29ab134fb62",
        "f4553ee63dc24a8f9d76fc56c2784c1a68f3fc182174fc7ed260747a6a47833b",
    )


@pytest.mark.slow
def test_a_data_set_of_a_package(frozen: Frozen) -> None:
    data = prepare("digits", REGISTRY["digits"], DATA)
    assert data.folder.name == "package-digits"
    assert frozen(data) == (
        "c49f8659d1029af6365060e1be23bad596d93652abd2c8eaefbb131a29f0e2cd",
        "63982e612d452a4c59e0417ba6674af82ad95646663c47c1f145b22c328fb386",
        "e23333336edd449a36f47a677d7ea0d4a3b9c2f214d6dc426c984bd6bbbcbbf0",
    )


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("torchvision:CIFAR10", "torchvision-cifar10"),
        ("medmnist:OrganAMNIST", "medmnist-organamnist"),
        ("package:mnist5k", "package-mnist5k"),
        ("npz:/sets/my arrays.npz", "npz-my-arrays-6b794848"),
        ("images:/sets/pics", "images-pics-48px-e127d24f"),
        ("imagenet:/sets/birds", "imagenet-birds-f96592a2"),
        ("imagenet:imagenet", "imagenet-imagenet-0afd7c2a"),
    ],
)
def test_the_name_of_a_folder(source: str, key: str) -> None:
    assert parse_source(TaskSettings(source=source, image_size=48)).key == key
