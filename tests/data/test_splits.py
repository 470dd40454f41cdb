import numpy as np
import pytest

from emtnas_hpc.data.images import Images
from emtnas_hpc.data.raw_data import RawData, complete_splits
from emtnas_hpc.errors import DataError


def numbered(labels: list[int]) -> Images:
    """Images that are told apart by their single pixel."""
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Images(pixels, np.array(labels, np.int64))


def numbers(images: Images) -> list[int]:
    return [int(number) for number in images.images.reshape(-1)]


def test_every_fifth_image_of_a_class_is_held_out_for_validation() -> None:
    raw = RawData(numbered([0] * 11 + [1] * 5), None, numbered([0, 1]), ("a", "b"))
    splits = complete_splits(raw, "here")
    assert numbers(splits["val"]) == [4, 9, 15]
    assert numbers(splits["train"]) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 14]
    assert splits["test"] is raw.test


def test_validation_may_take_the_first_of_every_five_as_the_authors_do() -> None:
    raw = RawData(numbered([0] * 11 + [1] * 5), None, numbered([0, 1]), ("a", "b"))
    splits = complete_splits(raw, "here", "first")
    assert numbers(splits["val"]) == [0, 5, 10, 11]
    assert numbers(splits["train"]) == [1, 2, 3, 4, 6, 7, 8, 9, 12, 13, 14, 15]


def test_the_test_set_is_the_same_whatever_validation_takes() -> None:
    raw = RawData(numbered([0, 1] * 10), None, None, ("a", "b"))
    last, first = (complete_splits(raw, "here", split) for split in ("last", "first"))
    assert numbers(last["test"]) == numbers(first["test"]) == [8, 9, 18, 19]
    assert (numbers(last["val"]), numbers(first["val"])) == ([10, 11], [0, 1, 12, 13])


def test_a_source_without_test_set_gives_that_first_and_validation_from_what_is_left() -> None:
    splits = complete_splits(RawData(numbered([0, 1] * 10), None, None, ("a", "b")), "here")
    assert numbers(splits["test"]) == [8, 9, 18, 19]
    assert numbers(splits["val"]) == [10, 11]
    together = sorted(number for images in splits.values() for number in numbers(images))
    assert together == list(range(20))


def test_sets_that_a_source_brings_are_left_alone() -> None:
    raw = RawData(numbered([0, 1]), numbered([1]), numbered([0]), ("a", "b"))
    assert complete_splits(raw, "here") == {"train": raw.train, "val": raw.val, "test": raw.test}


def test_fifty_thousand_images_split_into_forty_and_ten_thousand() -> None:
    labels = np.random.default_rng(2).permutation(np.repeat(np.arange(10), 5000))
    images = Images(np.zeros((50_000, 1, 1, 1), np.uint8), labels)
    splits = complete_splits(RawData(images, None, images, tuple("abcdefghij")), "here")
    assert (len(splits["train"]), len(splits["val"])) == (40_000, 10_000)
    assert np.bincount(splits["val"].labels).tolist() == [1000] * 10


def test_a_class_too_small_to_hold_any_out_is_named_with_its_size() -> None:
    raw = RawData(numbered([0] * 9 + [1] * 4), None, numbered([0, 1]), ("cats", "dogs"))
    with pytest.raises(DataError, match=r"^my\.npz: .* 'dogs' .* 4 left of at least 5"):
        complete_splits(raw, "my.npz")
