import pytest

from emtnas_hpc.report.table import Column, TableCell


def test_a_column_has_a_place_for_each_origin_of_its_numbers(nasty):
    assert nasty.origins(0) == ["ours", "paper", "re-run"]
    assert nasty.origins(1) == ["ours"]


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
    cell = TableCell.of(dict(enumerate(values)))
    assert Column("x", "x", 1, signed=signed).full(cell) == text


def test_what_is_missing_says_so_and_is_no_value(nasty):
    cell = nasty.rows[2].cells[0]
    assert (nasty.columns[0].full(cell), cell.estimate) == ("not run", None)


def test_a_seed_that_diverged_is_no_value_and_one_that_was_not_measured_neither():
    cell = TableCell.of({0: 1.0, 1: 2.0, 2: float("nan")}, diverged=[1])
    assert (cell.seeds, cell.values, cell.diverged) == ((0,), (1.0,), (1,))
    assert Column("x", "x", 1).full(TableCell.of({}, diverged=[0, 1])) == "diverged (2)"


def test_a_cell_as_lines_names_whose_number_was_printed_only_beside_ours(nasty):
    quoted, ours, _missing = nasty.rows
    assert nasty.lines(ours, 0) == ["92.00 ±0.71 (2)*", "paper 90.0 ±1.5", "re-run 89.1"]
    assert nasty.lines(quoted, 0) == ["*"]
