import numpy as np
import pytest

from emtnas_hpc.data.images import Images, pool_images


def test_pooling_averages_squares_and_rounds_halves_to_the_even_number() -> None:
    squares = np.array([[[0, 0], [1, 1]], [[1, 1], [2, 2]], [[0, 0], [0, 1]]], np.uint8)
    pooled = pool_images(squares[..., np.newaxis], 2)
    assert pooled.reshape(-1).tolist() == [0, 2, 0]
    assert pooled.dtype == np.uint8


def test_pooling_leaves_out_the_last_rows_and_columns_that_fill_no_square() -> None:
    images = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1)
    assert np.array_equal(pool_images(images, 2), pool_images(images[:, :4, :4], 2))


def test_pooling_by_one_changes_nothing() -> None:
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert pool_images(images, 1) is images


@pytest.mark.parametrize(("factor", "channels"), [(2, 1), (3, 3), (4, 3)])
def test_pooling_equals_a_loop_over_squares_for_more_images_than_are_pooled_at_once(
    factor: int, channels: int
) -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (4099, 8, 8, channels), np.uint8)
    pooled = pool_images(images, factor)
    for n in (0, 4095, 4096, 4098):
        for row in range(8 // factor):
            for column in range(8 // factor):
                rows = slice(row * factor, (row + 1) * factor)
                columns = slice(column * factor, (column + 1) * factor)
                expected = np.rint(images[n, rows, columns].mean(axis=(0, 1)))
                assert np.array_equal(pooled[n, row, column], expected)


def test_taking_images_keeps_their_labels_and_order() -> None:
    images = Images(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), np.array([3, 2, 1, 0]))
    taken = images.take(np.array([True, False, False, True]))
    assert len(taken) == 2
    assert taken.images.reshape(-1).tolist() == [0, 3]
    assert taken.labels.tolist() == [3, 0]
