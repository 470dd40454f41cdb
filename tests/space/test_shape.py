import pytest

from emtnas_hpc.space.shape import NetworkShape


@pytest.mark.parametrize("n_normal", [0, 1, 3])
def test_two_reduction_cells_stand_between_three_stacks_of_normal_cells(n_normal: int) -> None:
    kinds = NetworkShape(20, n_normal, 3, 32, 10).cells
    assert [len(stack.split()) for stack in " ".join(kinds).split("reduction")] == [n_normal] * 3
