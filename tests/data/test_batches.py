from dataclasses import replace

import numpy as np
import pytest
import torch

from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.images import AugmentationDraw, Images, draw_augmentation

CPU = torch.device("cpu")


def make_images(n: int, size: int, channels: int) -> Images:
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (n, size, size, channels), np.uint8)
    return Images(pixels, rng.integers(0, 10, n))


def slow_reading(
    image: np.ndarray,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    padding: int,
    crop: np.ndarray,
    flip: bool,
) -> np.ndarray:
    """Normalise, pad with zeros, crop, flip: one image, float64, (c, h, w)."""
    normalised = (image / 255 - np.array(mean)) / np.array(std)
    padded = np.pad(normalised, ((padding, padding), (padding, padding), (0, 0)))
    row, column = crop
    size = image.shape[0]
    cropped = padded[row : row + size, column : column + size]
    return (cropped[:, ::-1] if flip else cropped).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("size", "channels", "padding", "flip"),
    [(32, 3, 4, True), (28, 1, 2, False), (28, 3, 2, True), (8, 1, 0, True), (8, 3, 0, False)],
)
def test_augmented_batches_equal_a_slow_reading_of_the_recipe(
    size: int, channels: int, padding: int, flip: bool
) -> None:
    images = make_images(50, size, channels)
    mean, std = (0.49, 0.48, 0.44)[:channels], (0.25, 0.24, 0.26)[:channels]
    on_device = DeviceImages(images, mean, std, CPU, padding=padding, flip=flip)
    rng = np.random.default_rng(10)
    chosen = rng.integers(0, 50, 64)
    draw = on_device.draw(rng, 64)
    pixels, targets = on_device.augmented(chosen, draw)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(targets.numpy(), images.labels[chosen])
    for n, index in enumerate(chosen):
        expected = slow_reading(
            images.images[index], mean, std, padding, draw.crops[n], bool(draw.flips[n])
        )
        assert np.allclose(pixels[n].numpy(), expected, rtol=0, atol=1e-5)


def test_padding_is_exactly_zero_whatever_the_mean() -> None:
    images = Images(np.full((1, 4, 4, 3), 7, np.uint8), np.array([0]))
    on_device = DeviceImages(images, (0.3, 0.5, 0.7), (0.2, 0.2, 0.2), CPU, padding=2, flip=False)
    draw = AugmentationDraw(np.array([[0, 4]]), np.array([False]))
    pixels, _targets = on_device.augmented(np.array([0]), draw)
    shown = torch.zeros(4, 4, dtype=torch.bool)
    shown[2:, :2] = True
    assert torch.equal(pixels[0, :, ~shown], torch.zeros(3, 12))
    assert not torch.signbit(pixels[0, :, ~shown]).any()
    assert (pixels[0, :, shown] != 0).all()


def test_plain_batches_are_normalised_and_neither_padded_cropped_nor_flipped() -> None:
    images = make_images(20, 8, 3)
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    chosen = np.array([3, 3, 19])
    for padding in (0, 4):
        on_device = DeviceImages(images, mean, std, CPU, padding=padding, flip=True)
        pixels, targets = on_device.plain(chosen)
        expected = (images.images[chosen] / 255 - mean) / std
        assert np.allclose(pixels.numpy(), expected.transpose(0, 3, 1, 2), rtol=0, atol=1e-6)
        assert pixels.is_contiguous(memory_format=torch.channels_last)
        assert np.array_equal(targets.numpy(), images.labels[chosen])


def test_an_augmentation_that_moves_nothing_equals_the_plain_batch() -> None:
    on_device = DeviceImages(make_images(20, 8, 1), (0.5,), (0.5,), CPU, padding=2, flip=True)
    chosen = np.arange(20)
    still = AugmentationDraw(np.full((20, 2), 2), np.zeros(20, np.bool_))
    plain, augmented = on_device.plain(chosen), on_device.augmented(chosen, still)
    assert torch.equal(plain[0], augmented[0])


@pytest.mark.parametrize("cutout", [1, 3, 4, 100])
def test_a_cutout_blanks_the_part_of_its_square_that_lies_within_the_image(cutout: int) -> None:
    images = Images(np.full((64, 8, 8, 3), 9, np.uint8), np.arange(64))
    on_device = DeviceImages(
        images, (0.5,) * 3, (0.2,) * 3, CPU, padding=2, flip=True, cutout=cutout
    )
    rng = np.random.default_rng(14)
    draw = replace(on_device.draw(rng, 64), crops=np.full((64, 2), 2), flips=rng.random(64) < 0.5)
    pixels, _targets = on_device.augmented(np.arange(64), draw)
    for n, (row, column) in enumerate(draw.holes):
        blank = np.zeros((8, 8), bool)
        top, left = row - cutout // 2, column - cutout // 2
        blank[max(0, top) : top + cutout, max(0, left) : left + cutout] = True
        assert np.array_equal((pixels[n] == 0).all(dim=0).numpy(), blank)
        assert np.array_equal((pixels[n] == 0).any(dim=0).numpy(), blank)


def test_cutouts_are_drawn_after_crops_and_flips_and_cover_the_image() -> None:
    without = draw_augmentation(np.random.default_rng(15), 3000, 2, True)
    drawn = draw_augmentation(np.random.default_rng(15), 3000, 2, True, hole_range=8)
    assert without.holes is None
    assert np.array_equal(drawn.crops, without.crops)
    assert np.array_equal(drawn.flips, without.flips)
    assert drawn.holes.dtype == np.int64
    assert len(np.unique(drawn.holes, axis=0)) == 64


def test_plain_images_have_no_cutout() -> None:
    on_device = DeviceImages(
        make_images(9, 8, 1), (0.0,), (1.0,), CPU, padding=2, flip=False, cutout=8
    )
    pixels, _targets = on_device.plain(np.arange(9))
    assert torch.equal(
        pixels,
        DeviceImages(make_images(9, 8, 1), (0.0,), (1.0,), CPU, padding=0, flip=False).plain(
            np.arange(9)
        )[0],
    )


def test_targets_of_several_labels_stay_rows_of_zeros_and_ones() -> None:
    labels = np.eye(6, 4, dtype=np.float32)
    on_device = DeviceImages(
        Images(make_images(6, 8, 1).images, labels), (0.5,), (0.5,), CPU, padding=2, flip=False
    )
    assert len(on_device) == 6
    _pixels, targets = on_device.plain(np.array([5, 1]))
    assert targets.dtype == torch.float32
    assert np.array_equal(targets.numpy(), labels[[5, 1]])


def test_a_data_set_stays_bytes_on_the_device() -> None:
    images = make_images(100, 8, 3)
    on_device = DeviceImages(images, (0.5,) * 3, (0.5,) * 3, CPU, padding=1, flip=False)
    stored = [value for value in vars(on_device).values() if isinstance(value, torch.Tensor)]
    large = [value for value in stored if value.untyped_storage().nbytes() > 5000]
    assert [value.dtype for value in large] == [torch.uint8]
    assert large[0].untyped_storage().nbytes() == 100 * 10 * 10 * 3


def test_draws_depend_on_the_generator_alone_and_cover_every_crop() -> None:
    draw = draw_augmentation(np.random.default_rng(11), 5000, 2, True)
    again = draw_augmentation(np.random.default_rng(11), 5000, 2, True)
    assert np.array_equal(draw.crops, again.crops)
    assert np.array_equal(draw.flips, again.flips)
    assert draw.crops.dtype == np.int64
    assert len(np.unique(draw.crops, axis=0)) == 25
    assert 2300 < draw.flips.sum() < 2700


def test_without_padding_and_flips_nothing_is_moved() -> None:
    draw = draw_augmentation(np.random.default_rng(12), 100, 0, False)
    assert not draw.crops.any()
    assert not draw.flips.any()


def test_the_global_generators_are_neither_used_nor_moved() -> None:
    on_device = DeviceImages(make_images(20, 8, 1), (0.5,), (0.5,), CPU, padding=2, flip=True)
    before = torch.get_rng_state()
    rng = np.random.default_rng(13)
    on_device.augmented(np.arange(20), on_device.draw(rng, 20))
    assert torch.equal(torch.get_rng_state(), before)
