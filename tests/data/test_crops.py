import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from emtnas_hpc.data.images import Crop, draw_crops, middle, scaled_around_middle

SIZES = [(500, 375), (375, 500), (224, 224), (97, 1000), (31, 30), (300, 200)]


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 50))
def test_a_box_lies_within_its_picture(width: int, height: int, seed: int) -> None:
    (crop,) = draw_crops(np.random.default_rng(seed), 1, flip=True)
    left, upper, right, lower = crop.box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height


def test_the_first_try_that_fits_is_taken() -> None:
    crop = Crop((1.0, 0.25, 0.16), (4 / 3, 1.0, 1.0), (0.999, 0.0), flip=False)
    assert crop.box(100, 100) == (50, 0, 100, 50)


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (1, 300)])
def test_where_no_try_fits_the_box_is_that_of_torchvision(size: tuple[int, int]) -> None:
    usual = transforms.RandomResizedCrop(8)
    upper, left, h, w = usual.get_params(Image.new("L", size), [0.5, 1.0], [3 / 4, 4 / 3])
    never = Crop((1.0,), (1.0,), (0.5, 0.5), flip=False)
    assert never.box(*size) == (left, upper, left + w, upper + h)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_middle_of_a_test_picture_is_that_of_torchvision(width: int, height: int) -> None:
    rng = np.random.default_rng(width)
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    usual = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    scaled = picture.resize(scaled_around_middle(width, height, 224), Image.Resampling.BILINEAR)
    ours = scaled.crop(middle(scaled.width, scaled.height, 224, 224))
    assert ours.tobytes() == usual(picture).tobytes()


def test_crops_are_drawn_as_is_usual_for_imagenet() -> None:
    crops = draw_crops(np.random.default_rng(0), 4000, flip=True)
    areas = np.array([crop.areas for crop in crops])
    aspects = np.log([crop.aspects for crop in crops])
    places = np.array([crop.place for crop in crops])
    assert (areas.min() >= 0.08, areas.max() <= 1) == (True, True)
    assert abs(areas.mean() - 0.54) < 0.01
    assert np.abs(aspects).max() <= np.log(4 / 3) + 1e-12
    assert abs(aspects.mean()) < 0.005
    assert (places.min() >= 0, places.max() < 1) == (True, True)
    assert abs(np.mean([crop.flip for crop in crops]) - 0.5) < 0.03


def test_nothing_is_mirrored_unless_it_is_asked_for() -> None:
    assert not any(crop.flip for crop in draw_crops(np.random.default_rng(0), 99, flip=False))


def test_equal_streams_draw_equal_crops() -> None:
    a, b = (draw_crops(np.random.default_rng(7), 5, flip=True) for _ in range(2))
    assert a == b
