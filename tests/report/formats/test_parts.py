import pytest

from emtnas_hpc.report.render import parts


def columns_of(found):
    return [[column.key for column in part.columns] for part in found]


def test_a_table_that_fits_stays_one(own_study):
    table, _contrasts = own_study
    assert list(parts(table, 200)) == [table]


@pytest.mark.parametrize("width", [60, 110, 170, 400])
def test_every_column_is_in_one_part_with_all_rows(four_rows, width):
    (table,) = four_rows
    found = list(parts(table, width))
    keys = [key for part in columns_of(found) for key in part]
    assert keys == [column.key for column in table.columns]
    for part in found:
        assert [row.labels for row in part.rows] == [row.labels for row in table.rows]
        for row, whole in zip(part.rows, table.rows, strict=True):
            at = [table.columns.index(column) for column in part.columns]
            assert row.cells == tuple(whole.cells[i] for i in at)


def test_columns_of_a_data_set_and_the_times_stay_together(four_rows):
    (table,) = four_rows
    found = columns_of(parts(table, 140))
    assert len(found) > 2
    for kind in ("cifar10.", "cifar100.", "time_", "mean_"):
        assert sum(any(key.startswith(kind) for key in part) for part in found) == 1


def test_a_column_that_is_too_wide_alone_is_a_part_by_itself(nasty):
    assert columns_of(parts(nasty, 10)) == [["task_1.accuracy"], ["time_total"]]
