import math

import pytest

from emtnas_hpc.cli.console import format_duration, format_percent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185.0, "3 min 05 s"),
        (3600.0, "1 h 00 min"),
        (86399.0, "23 h 59 min"),
        (273600.0, "3 d 4 h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_accuracies_are_percent_on_screen() -> None:
    assert format_percent(0.8766) == "87.7 %"
    assert format_percent(math.nan) == "-"
