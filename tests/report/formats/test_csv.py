import csv
import io

import pytest

from emtnas_hpc.report.render import as_csv


def lines_of(tables):
    return list(csv.DictReader(io.StringIO(as_csv(tables))))


def test_the_combinations_are_as_they_were(combinations, check_golden):
    check_golden("report-table2.csv", as_csv(combinations))


def test_a_cell_is_a_line_with_all_its_numbers(nasty):
    (line,) = [line for line in lines_of([nasty]) if line["row"] == "y" and line["p"]]
    assert {
        name: line[name]
        for name in ("table", "label", "column", "status", "n", "seeds", "values", "exact")
    } == {
        "table": "other",
        "label": "y 2",
        "column": "task_1.accuracy",
        "status": "run",
        "n": "2",
        "seeds": "0 2",
        "values": "91.5 92.5",
        "exact": "True",
    }
    numbers = ("mean", "std", "p", "q", "stars", "paper_mean", "paper_std", "rerun_mean")
    expected = (92.0, 0.5**0.5, 0.03, 0.06, 1, 90.0, 1.5, 89.1)
    assert [float(line[name]) for name in numbers] == pytest.approx(list(expected))


def test_what_is_not_known_is_empty(nasty):
    (line,) = [*(x for x in lines_of([nasty]) if x["row"] == "y" and x["column"] == "time_total")]
    assert (line["mean"], line["std"], line["p"], line["paper"]) == ("-0.04", "", "", "")


def test_cells_that_nothing_is_said_of_have_no_line(nasty):
    assert [(line["row"], line["status"]) for line in lines_of([nasty])] == [
        *(("quoted: x", ""), ("y", "run"), ("y", "run")),
        *(("z", "not run"), ("z", "no baseline")),
    ]
