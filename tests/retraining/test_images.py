from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.dataset import Prepared, Streamed
from emtnas_hpc.data.images import draw_crops
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.errors import DataError
from emtnas_hpc.retraining.loaders import ResidentImages, StreamedImages, open_images
from emtnas_hpc.settings.experiment import RetrainingSettings
from emtnas_hpc.supernet.graphs import MiniBatch

CPU = torch.device("cpu")
BATCHES = [np.array([3, 17, 0, 3]), np.array([11])]


def streamed_images(data: Streamed, n_readers: int = 0, cutout: int = 0) -> StreamedImages:
    settings = RetrainingSettings(data_workers=n_readers, cutout=cutout)
    images = open_images(data, settings, CPU)
    assert isinstance(images, StreamedImages)
    return images


def slow_reading(data: Streamed, split: str, chosen: np.ndarray, crops=None) -> np.ndarray:
    """Normalised images one by one, float64, (n, c, h, w)."""
    size = data.image_size
    pictures = data.pictures(split, data.files(split), chosen, crops)
    images = np.stack(
        [np.frombuffer(decode(p, size), np.uint8).reshape(size, size, 3) for p in pictures]
    )
    return ((images / 255 - data.mean) / data.std).transpose(0, 3, 1, 2)


def read(batches: Iterable[MiniBatch]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each in its turn: the next one takes its memory."""
    return [tuple(tensor.clone() for tensor in batch.read()) for batch in batches]


def test_training_pictures_are_cropped_as_drawn_and_normalised(streamed: Streamed) -> None:
    got = read(streamed_images(streamed).training(BATCHES, np.random.default_rng(2)))
    rng = np.random.default_rng(2)
    for batch, (images, labels) in zip(BATCHES, got, strict=True):
        crops = draw_crops(rng, len(batch), flip=True)
        expected = slow_reading(streamed, "train", batch, crops)
        np.testing.assert_allclose(images.numpy(), expected, atol=1e-5)
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.tolist() == (batch // 20).tolist()


@pytest.mark.parametrize("n_readers", [1, 3])
def test_neither_readers_nor_reading_ahead_change_a_bit(streamed: Streamed, n_readers: int) -> None:
    ways = [
        read(images.training(BATCHES * 3, np.random.default_rng(2)))
        for images in (streamed_images(streamed, n, cutout=9) for n in (0, n_readers))
    ]
    for (a, labels_a), (b, labels_b) in zip(*ways, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(labels_a, labels_b)


def test_a_cutout_blanks_a_square_of_every_training_picture(streamed: Streamed) -> None:
    (images, _labels), _second = read(
        streamed_images(streamed, cutout=20).training(BATCHES, np.random.default_rng(2))
    )
    blank = (images == 0).all(dim=1).sum(dim=(1, 2))
    assert ((blank >= 100) & (blank <= 400)).all()


def test_test_pictures_show_their_middle_in_order(streamed: Streamed) -> None:
    images, labels = zip(*streamed_images(streamed).test(), strict=True)
    expected = slow_reading(streamed, "test", np.arange(15))
    np.testing.assert_allclose(torch.cat(images).numpy(), expected, atol=1e-5)
    assert torch.cat(labels).tolist() == [0] * 5 + [1] * 5 + [2] * 5


@pytest.mark.parametrize("n_readers", [0, 1])
def test_a_picture_that_is_gone_is_named_and_to_be_put_back(
    streamed: Streamed, tmp_path: Path, make_pictures: Callable[..., Path], n_readers: int
) -> None:
    folder = make_pictures(tmp_path / "pictures")
    (folder / "train/n0000/03.JPEG").unlink()
    images = streamed_images(replace(streamed, pictures_folder=folder), n_readers)
    with pytest.raises(DataError, match=r"03\.JPEG: No such .*; put the picture back"):
        read(images.training(BATCHES, np.random.default_rng(0)))


def test_resident_images_are_those_of_training_and_validation_together(digits: Prepared) -> None:
    images = open_images(digits, RetrainingSettings(cutout=4), CPU)
    assert isinstance(images, ResidentImages)
    n_train = digits.n_images("train")
    batch = np.array([0, n_train])
    ((_images, labels),) = read(images.training([batch], np.random.default_rng(0)))
    expected = [digits.load(split).labels[0] for split in ("train", "val")]
    assert labels.tolist() == expected


def test_resident_test_images_come_in_chunks_and_as_they_are(digits: Prepared) -> None:
    images, labels = zip(*open_images(digits, RetrainingSettings(), CPU).test(), strict=True)
    whole = digits.load("test")
    plain = DeviceImages(whole, digits.mean, digits.std, CPU, padding=0, flip=False)
    assert torch.equal(torch.cat(images), plain.plain(np.arange(len(whole)))[0])
    assert torch.cat(labels).tolist() == whole.labels.tolist()
