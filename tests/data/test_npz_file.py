import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emtnas_hpc.data.npz_file import read_npz
from emtnas_hpc.errors import DataError

Arrays = dict[str, Any]
Change = Callable[[Arrays], object]


def test_greyscale_images_get_their_channel_and_column_labels_lose_their_column(
    npz: Path, arrays: Arrays
) -> None:
    arrays["train_labels"] = arrays["train_labels"][:, np.newaxis].astype(np.uint8)
    np.savez_compressed(npz, **arrays)
    raw = read_npz(npz)
    assert raw.train.images.shape == (60, 8, 8, 1)
    assert raw.train.labels.shape == (60,)
    assert raw.train.labels.dtype == np.int64
    assert raw.classes == ("0", "1", "2")
    assert raw.val is not None
    assert np.array_equal(raw.val.images[..., 0], arrays["val_images"])


def test_validation_and_test_set_may_be_absent_and_other_keys_are_ignored(
    npz: Path, arrays: Arrays
) -> None:
    kept = {key: array for key, array in arrays.items() if key.startswith("train")}
    np.savez(npz, **kept, train_official_index=np.arange(60))
    raw = read_npz(npz)
    assert raw.val is None
    assert raw.test is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("train_labels"), "has train_images but no train_labels"),
        (lambda a: a.pop("val_images"), "has val_labels but no val_images"),
        (lambda a: (a.pop("train_images"), a.pop("train_labels")), "has no train_images and"),
        (
            lambda a: a.update(train_images=a["train_images"] / 255),
            "train_images is float64, expected uint8",
        ),
        (
            lambda a: a.update(test_images=a["test_images"][0]),
            r"test_images has shape \(8, 8\), expected \(n, h, w\)",
        ),
        (
            lambda a: a.update(train_images=np.zeros((60, 8, 8, 2), np.uint8)),
            r"train_images has shape \(60, 8, 8, 2\), expected",
        ),
        (
            lambda a: a.update(val_images=a["val_images"][:0], val_labels=a["val_labels"][:0]),
            "val_images has no images; leave out the arrays of a split that has none",
        ),
        (
            lambda a: a.update(train_images=a["train_images"][:, :6]),
            "train_images are 6x8, expected square images",
        ),
        (
            lambda a: a.update(test_images=a["test_images"][:, :6, :6]),
            r"test_images are \(6, 6, 1\), expected \(8, 8, 1\) as train_images",
        ),
        (
            lambda a: a.update(val_labels=a["val_labels"][:-1]),
            "val_images has 12 entries and val_labels 11",
        ),
        (
            lambda a: a.update(val_labels=a["val_labels"].astype(float)),
            "val_labels is float64, expected integers",
        ),
        (
            lambda a: a.update(train_labels=np.eye(60, 3, dtype=int)),
            r"train_labels has shape \(60, 3\), expected \(n,\) or \(n, 1\)",
        ),
        (
            lambda a: a.update(train_labels=a["train_labels"] + 1),
            "train_labels has the classes 1, 2, 3, expected 3 classes numbered 0 to 2",
        ),
        (
            lambda a: a.update(train_labels=a["train_labels"] * 0 + 3),
            "train_labels has a single class, 3, expected at least two, numbered from 0",
        ),
        (
            lambda a: a.update(train_labels=np.arange(60) * 2),
            "train_labels has the classes 0, 2, 4, 6, 8, 10, 12, 14, ..., expected",
        ),
        (
            lambda a: a.update(test_labels=a["test_labels"] + 1),
            "test_labels reaches from 1 to 3, expected 0..2",
        ),
        (
            lambda a: a.update(val_labels=a["val_labels"].astype(object)),
            r"val_labels cannot be read \(it holds Python objects, expected numbers\)",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line_by_file_and_key(
    npz: Path, arrays: Arrays, change: Change, message: str
) -> None:
    change(arrays)
    np.savez(npz, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(npz)
    assert str(npz) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.npz is missing, expected an \.npz file"):
        read_npz(tmp_path / "nowhere.npz")


def test_a_single_array_is_no_npz_file(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(DataError, match="holds a single array"):
        read_npz(tmp_path / "array.npy")


@pytest.mark.parametrize("content", [b"no archive", pickle.dumps([1, 2]), b"PL\x03\x04"])
def test_what_is_no_archive_is_never_recommended_to_be_trusted(npz: Path, content: bytes) -> None:
    npz.write_bytes(content + npz.read_bytes()[len(content) :])
    with pytest.raises(DataError, match="no whole zip archive; write it with numpy") as caught:
        read_npz(npz)
    assert "pickle" not in str(caught.value)


def test_a_member_that_is_no_array_is_named(npz: Path) -> None:
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr("train_images.npy", "noise")
    with pytest.raises(DataError, match=r"mine\.npz: train_images is no array"):
        read_npz(npz)


def test_a_file_cut_off_anywhere_is_called_damaged(npz: Path) -> None:
    content = npz.read_bytes()
    for n_bytes in (0, 1, 100, len(content) // 2, len(content) - 1):
        npz.write_bytes(content[:n_bytes])
        with pytest.raises(DataError, match=r"mine\.npz is damaged or no \.npz file"):
            read_npz(npz)


def test_flipped_bits_never_give_anything_but_a_data_error(npz: Path, arrays: Arrays) -> None:
    np.savez_compressed(npz, **arrays)
    content = npz.read_bytes()
    whole = read_npz(npz)
    rng = np.random.default_rng(3)
    refused = 0
    for position in rng.integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        npz.write_bytes(damaged)
        try:
            raw = read_npz(npz)
        except DataError:
            refused += 1
        else:
            assert np.array_equal(raw.train.images, whole.train.images)
    assert refused > 200


def test_labels_of_several_classes_must_be_zeros_and_ones_in_as_many_columns(
    npz: Path, arrays: Arrays
) -> None:
    for split in ("train", "val", "test"):
        arrays[f"{split}_labels"] = np.eye(len(arrays[f"{split}_labels"]), 3, dtype=np.uint8)
    np.savez(npz, **arrays)
    raw = read_npz(npz, ("a", "b", "c"), multi_label=True)
    assert raw.train.multi_label
    assert raw.train.labels.dtype == np.float32
    with pytest.raises(DataError, match="train_labels has 3 columns, expected 4"):
        read_npz(npz, ("a", "b", "c", "d"), multi_label=True)
    np.savez(npz, **{**arrays, "test_labels": arrays["test_labels"] * 2})
    with pytest.raises(DataError, match="test_labels has shape"):
        read_npz(npz, ("a", "b", "c"), multi_label=True)


@pytest.mark.parametrize(
    "keys", [("valid_images", "valid_labels"), ("x_dev", "y_dev"), ("Validation.X", "Validation.y")]
)
def test_other_names_of_arrays_are_understood_and_said(
    npz: Path, arrays: Arrays, keys: tuple[str, str]
) -> None:
    images, labels = keys
    arrays[images], arrays[labels] = arrays.pop("val_images"), arrays.pop("val_labels")
    np.savez(npz, **arrays)
    raw = read_npz(npz)
    assert raw.val is not None
    assert np.array_equal(raw.val.images[..., 0], arrays[images])
    assert raw.notes == (f"{images} is read as val_images", f"{labels} is read as val_labels")


def test_arrays_that_are_not_read_are_said(npz: Path, arrays: Arrays) -> None:
    np.savez(npz, **arrays, train_official_index=np.arange(60), masks=np.zeros(3))
    assert read_npz(npz).notes == ("2 arrays left out: 'masks', 'train_official_index'",)


def test_two_arrays_for_one_part_are_refused_naming_both(npz: Path, arrays: Arrays) -> None:
    np.savez(npz, **arrays, x_train=arrays["train_images"])
    with pytest.raises(DataError, match="has 'train_images' and 'x_train', which both mean train"):
        read_npz(npz)


def test_a_file_without_training_images_is_told_what_it_has(npz: Path, arrays: Arrays) -> None:
    np.savez(npz, x=arrays["train_images"], y=arrays["train_labels"])
    with pytest.raises(DataError, match=r"which it must have; 2 arrays left out: 'x', 'y'"):
        read_npz(npz)


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        (lambda x: x / 255, r"float64, .*; write \(255 \* x\)\.round\(\)\.astype\('uint8'\)"),
        (lambda x: x / 1.0, r"float64, .*; write x\.round\(\)\.astype\('uint8'\)"),
        (lambda x: x > 9, r"bool, .*; write 255 \* x\.astype\('uint8'\)"),
        (lambda x: x.astype(np.uint16) * 16, r"uint16, .*; its values reach from 0 to 4080: bring"),
        (lambda x: x - 300.0, r"float64, .*; its values reach from -300 to -45: bring one range"),
        (lambda x: x / np.float32(0), r"float32, .*; give its pixels that are not finite a value"),
    ],
)
def test_images_of_another_type_are_refused_with_what_to_write(
    npz: Path, arrays: Arrays, change: Callable[[Any], Any], mend: str
) -> None:
    with np.errstate(all="ignore"):
        arrays["train_images"] = change(arrays["train_images"])
    np.savez(npz, **arrays)
    with pytest.raises(DataError, match=f"train_images is {mend}"):
        read_npz(npz)


def test_an_array_that_claims_more_than_any_memory_is_named(tmp_path):
    path = tmp_path / "bomb.npz"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 2048, 2048, 3)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_images.npy", head.getvalue())
    with pytest.raises(DataError, match="train_images cannot be read"):
        read_npz(path)
