import numpy as np

from emtnas_hpc.data.images import draw_crops


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
