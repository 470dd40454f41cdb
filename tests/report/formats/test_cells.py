import pytest

from emtnas_hpc.report.table import Column, Entry, Sample, origins, shown, shown_columns


def test_a_column_is_shown_once_for_each_origin_of_its_numbers(nasty):
    assert origins(nasty, 0) == ("ours", "paper", "re-run")
    assert origins(nasty, 1) == ("ours",)
    assert [(i, origin) for i, _column, origin in shown_columns(nasty)] == [
        *((0, "ours"), (0, "paper"), (0, "re-run"), (1, "ours"))
    ]


@pytest.mark.parametrize(
    ("values", "signed", "text"),
    [
        ((91.5, 92.5), False, "92.0 ±0.7 (2)"),
        ((91.5,), False, "91.5 (1)"),
        ((-0.04,), True, "+0.0 (1)"),
        ((-0.04,), False, "0.0 (1)"),
        ((-12.34, -12.34), True, "-12.3 ±0.0 (2)"),
        ((3.0,), True, "+3.0 (1)"),
    ],
)
def test_a_value_is_mean_deviation_and_n(values, signed, text):
    entry = Entry(Sample(tuple(range(len(values))), values))
    assert shown(entry, Column("x", "x", 1, signed=signed), "ours").full == text


def test_what_is_missing_says_so_and_is_no_value(nasty):
    column = nasty.columns[0]
    cell = shown(nasty.rows[2].entries[0], column, "ours")
    assert (cell.text, cell.is_value) == ("not run", False)
    assert shown(nasty.rows[2].entries[0], column, "paper").text == ""
