import json
import math
from pathlib import Path

from emtnas_hpc.report.render import as_json, table_values


def test_the_combinations_are_as_they_were(combinations, check_golden):
    check_golden("report-table2.json", as_json(list(map(table_values, combinations))))


def test_a_table_has_columns_rows_cells_and_notes(nasty):
    table = json.loads(as_json(table_values(nasty)))
    assert set(table) == {"key", "title", "labels", "columns", "rows", "notes"}
    assert table["columns"][1] == {
        "key": "time_total",
        "heading": "Time (%)",
        "decimals": 1,
        "signed": True,
        "tested": False,
    }
    cell = table["rows"][1]["cells"]["task_1.accuracy"]
    assert (cell["mean"], cell["values"], cell["seeds"]) == (92.0, [91.5, 92.5], [0, 2])
    assert (cell["p"], cell["q"], cell["best"], cell["paper"]) == (0.03, 0.06, True, "90.0 ±1.5")
    assert table["rows"][1]["cells"]["time_total"]["std"] is None
    assert table["rows"][2]["cells"]["time_total"] == {"status": "no baseline"}


def test_what_was_not_measured_is_null_and_a_path_is_text():
    values = {"a": math.nan, "b": (math.inf, 1.5), "c": Path("x")}
    assert json.loads(as_json(values)) == {"a": None, "b": [None, 1.5], "c": "x"}
