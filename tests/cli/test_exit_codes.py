import pytest

from emtnas_hpc.cli import console


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((0, 0), 0),
        ((0, 4, 0), 4),
        ((4, 3, 1), 3),
        ((2, 2), 2),
        ((2, 0), 1),
        ((0, 2), 1),
        ((2, 4), 1),
        ((3, 2), 3),
    ],
)
def test_the_code_of_several_seeds_is_bad_input_only_where_none_was_carried_on(
    codes: tuple[int, ...], code: int
) -> None:
    assert console.combine(codes) == code
