from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.evolution.random_streams import Purpose, stream, torch_seed

PLACES = list(product((0, 1, 7), (0, 1, 2), (None, 0, 1), Purpose))


def test_a_stream_is_a_function_of_its_four_arguments() -> None:
    draws = [stream(3, 4, 1, Purpose.BREEDING).random(5).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("first", [lambda *a: stream(*a).random(), torch_seed])
def test_no_two_places_draw_the_same(first: Callable[..., float]) -> None:
    assert len({first(*place) for place in PLACES}) == len(PLACES)


def test_a_stream_does_not_touch_the_global_generator() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    stream(0, 1, None, Purpose.INITIAL).random(1000)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_streams_are_the_same_on_every_machine() -> None:
    assert stream(0, 1, None, Purpose.INITIAL).integers(1000, size=4).tolist() == [
        522,
        889,
        992,
        557,
    ]
    assert torch_seed(0, 1, 0, Purpose.MASKS) == 8871743121858784598


def test_a_torch_seed_fits_into_63_bits() -> None:
    assert all(0 <= torch_seed(*place) < 2**63 for place in PLACES)


def test_purposes_keep_their_numbers() -> None:
    assert {purpose.name: purpose.value for purpose in Purpose} == {
        "INITIAL": 0,
        "BREEDING": 1,
        "TRAINING_PATHS": 2,
        "TRAINING_IMAGES": 3,
        "AUGMENTATION": 4,
        "MASKS": 5,
        "VALIDATION_BATCH": 6,
        "VALIDATION_AUGMENTATION": 7,
        "RECALIBRATION": 8,
        "TRUE_FITNESS": 9,
        "WEIGHTS": 10,
        "RETRAINING_WEIGHTS": 11,
        "RETRAINING_IMAGES": 12,
        "RETRAINING_AUGMENTATION": 13,
        "RETRAINING_MASKS": 14,
    }


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match=f"seed is {seed}, expected 0 to 4294967295"):
        stream(seed, 1, None, Purpose.INITIAL)
