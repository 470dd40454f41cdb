import pytest

from emtnas_hpc.slurm.slurm import format_limit, format_minutes, parse_limit


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:00", 90),
        ("90:01", 91),
        ("0:20", 1),
        ("24:00:00", 1440),
        ("01:30:30", 91),
        ("1-0", 1440),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("2-00:00:01", 2881),
        ("UNLIMITED", None),
        ("infinite", None),
    ],
)
def test_every_form_of_slurms_limits_is_read_in_minutes(text: str, minutes: int | None) -> None:
    assert parse_limit(text) == minutes


@pytest.mark.parametrize("text", ["", "a day", "1.5", "-5", "1-", "1:2:3:4", "1d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time limit such as"):
        parse_limit(text)


@pytest.mark.parametrize(
    ("minutes", "text"), [(90, "01:30:00"), (1440, "1-00:00:00"), (2190, "1-12:30:00")]
)
def test_a_limit_is_shown_as_slurm_shows_it(minutes: int, text: str) -> None:
    assert format_limit(minutes) == text
    assert parse_limit(text) == minutes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (840.0, "14 min"),
        (845.0, "14 min 05 s"),
        (36_000.0, "600 min"),
    ],
)
def test_what_is_compared_with_a_limit_is_shown_in_minutes(seconds: float, text: str) -> None:
    assert format_minutes(seconds) == text
