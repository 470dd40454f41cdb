import pytest

from emtnas_hpc.space.architecture import NetworkShape, stem_widths


@pytest.mark.parametrize("n_normal", [0, 1, 3])
def test_two_reduction_cells_stand_between_three_stacks_of_normal_cells(n_normal: int) -> None:
    kinds = NetworkShape(20, n_normal, 3, 32, 10).cells
    assert [len(stack.split()) for stack in " ".join(kinds).split("reduction")] == [n_normal] * 3


@pytest.mark.parametrize(("image_size", "left"), [(224, 28), (64, 8), (57, 8), (56, 7), (1, 1)])
def test_a_strided_stem_leaves_an_eighth_of_the_edge(image_size: int, left: int) -> None:
    shape = NetworkShape(48, 2, 3, image_size, 1000, stem="strided")
    assert shape.first_size == left
    assert NetworkShape(48, 2, 3, image_size, 1000).first_size == image_size


def test_a_strided_stem_has_half_the_channels_first() -> None:
    assert stem_widths(48, "strided") == (24, 48, 48)
    assert stem_widths(1, "strided") == (1, 1, 1)
    assert stem_widths(48, "plain") == (48,)
