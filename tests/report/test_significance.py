import pytest

from emtnas_hpc.report.legend import significance_notes
from emtnas_hpc.report.stats import holm, permutation_test
from emtnas_hpc.report.table import Column, Row, Table, TableCell
from emtnas_hpc.report.tables import judged

BASE = (1.0, 2.0, 3.0, 4.0, 5.0)


def cells(base, *others):
    """A column; the first cell is the baseline of the others."""
    found = [
        TableCell() if values is None else TableCell.of(dict(enumerate(values)))
        for values in (base, *others)
    ]
    return judged(found, [TableCell(), *[found[0]] * len(others)])


def notes(base, *others):
    rows = (Row(str(i), (f"row {i}",), (cell,)) for i, cell in enumerate(cells(base, *others)))
    column = Column("digits.accuracy", "digits (%)", 1, tested=True)
    return list(significance_notes(Table("table5", "Title", ("Name",), (column,), tuple(rows))))


def test_every_row_is_tested_against_its_baseline_and_adjusted_within_the_column():
    above, near = (11.0, 12.0, 13.0, 14.0, 15.0), (2.0, 3.0, 4.0, 5.0, 6.0)
    base, first, second = cells(BASE, above, near)
    assert (base.test, base.q, base.n_baseline) == (None, None, 0)
    assert (first.test, second.test) == (
        permutation_test(above, BASE),
        permutation_test(near, BASE),
    )
    assert (first.q, second.q) == holm([first.test.p, second.test.p])
    assert (first.stars, second.stars, first.n_baseline) == (2, 0, 5)


def test_a_difference_that_holm_does_not_let_pass_has_one_star():
    above = (11.0, 12.0, 13.0, 14.0, 15.0)
    found = cells(BASE, *[above] * 7)[1]
    assert found.test.p == pytest.approx(2 / 252)
    assert found.q == pytest.approx(14 / 252)
    assert found.stars == 1


def test_a_single_seed_is_not_tested_and_does_not_weaken_the_other_tests():
    above = (11.0, 12.0, 13.0, 14.0, 15.0)
    _base, first, single = cells(BASE, above, (9.0,))
    assert (single.test, single.q, single.stars) == (None, None, 0)
    assert first.q == first.test.p == pytest.approx(2 / 252)


def test_the_best_mean_is_marked_once_there_is_something_to_compare():
    assert [cell.best for cell in cells(BASE, (9.0,), None, (8.0, 9.5))] == [
        *(False, True, False, False)
    ]
    assert [cell.best for cell in cells(None, (9.0,), None)] == [False, False, False]


def test_two_against_two_seeds_can_have_no_star_and_four_against_four_would_do():
    found = notes((1.0, 2.0), (3.0, 4.0))
    assert found[1] == (
        "No star is possible with 2 against 2 seeds (p is at least 0.333); 4 against 4 would do "
        "for one."
    )


def test_many_comparisons_rule_out_two_stars():
    above = (11.0, 12.0, 13.0, 14.0, 15.0)
    found = notes(BASE, *[above] * 7)
    assert found[1] == (
        "No two stars are possible with 5 against 5 seeds and 7 comparisons in a column (q is at "
        "least 0.056); 6 against 6 would do."
    )


def test_where_stars_are_possible_nothing_is_ruled_out_and_every_p_is_told():
    meaning, values = notes(BASE, (11.0, 12.0, 13.0, 14.0, 15.0))
    assert "(exact)" in meaning
    assert values == "p, q of digits (%): row 1 0.0079, 0.0079."


def test_drawn_splits_are_called_so():
    base = [float(i) for i in range(12)]
    (meaning, *_rest) = notes(base, [i + 0.5 for i in base])
    assert "drawn with a fixed seed" in meaning


def test_runs_without_a_baseline_say_that_nothing_is_tested():
    (note,) = notes(None, (1.0, 2.0))
    assert note.startswith("Nothing is tested")


def test_a_table_without_runs_says_nothing():
    assert notes(None, None) == []
