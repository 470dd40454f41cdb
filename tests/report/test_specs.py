import hashlib
import tomllib
from pathlib import Path

import pytest

from emtnas_hpc.report import specs
from emtnas_hpc.report.experiments import Family
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.specs import NUMBERS, paper_settings, paper_table
from emtnas_hpc.report.table import Quoted, quote
from emtnas_hpc.report.tables import build_tables

PAPER_FOLDER = Path(specs.__file__).parent / "paper"

#: Per table: rows, rows that runs can fill, printed cells.
SIZES = {
    2: (18, 12, 4 * 7 + 6 * 2 + 4 * 3 + 4 + 12),
    3: (18, 4, 18 * 5),
    4: (23, 8, 23 * 4),
    5: (4, 4, 4 * 12),
    6: (6, 6, 6 * 4),
}

#: Table, row, column, text, mean, standard deviation.
SPOTS = (
    (2, 0, "pathmnist.accuracy", "84.4", 84.4, None),
    (2, 6, "pathmnist.accuracy", "87.4 ±2.9", 87.4, 2.9),
    (2, 6, "time_total", "+00.0", 0.0, None),
    (2, 12, "organsmnist.accuracy", "81.5 ±0.2", 81.5, 0.2),
    (2, 12, "time_total", "-40.1", -40.1, None),
    (2, 17, "organamnist.accuracy", "94.9 ±0.3", 94.9, 0.3),
    (3, 0, "cifar100.parameters", "*", None, None),
    (3, 12, "device_days", "27/36", None, None),
    (3, 16, "cifar10.accuracy", "96.73 ±0.15", 96.73, 0.15),
    (3, 17, "cifar100.parameters", "2.97", 2.97, None),
    (4, 0, "imagenet.top5", "-", None, None),
    (4, 22, "imagenet.accuracy", "75.44", 75.44, None),
    (4, 22, "imagenet.top5", "92.55", 92.55, None),
    (5, 2, "time_evaluation", "-37.4", -37.4, None),
    (5, 3, "mean_macs", "355", 355.0, None),
    (5, 1, "cifar100.transfer", "78.77 ±0.65", 78.77, 0.65),
    (6, 1, "cifar100.validation", "58.85 ±4.10", 58.85, 4.10),
    (6, 5, "cifar10.accuracy", "96.52 ±0.17", 96.52, 0.17),
)


def printed_cells(rows):
    return [quoted["paper"] for row in rows for quoted in row.quoted.values() if "paper" in quoted]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_row_and_cell_of_the_paper_is_there(number):
    rows = paper_table(number).rows
    ours = [row for row in rows if row.spec is not None]
    assert (len(rows), len(ours), len(printed_cells(rows))) == SIZES[number]


@pytest.mark.parametrize(("number", "row", "column", "text", "mean", "std"), SPOTS)
def test_numbers_are_those_that_were_printed(number, row, column, text, mean, std):
    assert paper_table(number).rows[row].quoted[column]["paper"] == Quoted(text, mean, std)


@pytest.mark.parametrize("number", NUMBERS)
def test_no_two_rows_ask_for_the_same(number):
    specs = [row.spec for row in paper_table(number).rows if row.spec is not None]
    assert len({spec.key for spec in specs}) == len(set(specs)) == len(specs)


def test_the_sums_of_the_ablation_are_the_same_in_tables_three_five_and_six():
    multi = paper_table(3).rows[16].quoted
    assert multi["cifar10.accuracy"] == paper_table(5).rows[3].quoted["cifar10.accuracy"]
    assert multi["cifar100.accuracy"] == paper_table(6).rows[3].quoted["cifar100.accuracy"]


def test_the_independent_re_run_has_the_baseline_and_all_four_tasks():
    again = [row for row in paper_table(2).rows if any("rerun" in q for q in row.quoted.values())]
    single, joint = (
        {column: quoted["rerun"] for column, quoted in row.quoted.items() if "rerun" in quoted}
        for row in again
    )
    assert again == [paper_table(2).rows[6], paper_table(2).rows[17]]
    assert joint["pathmnist.accuracy"] == Quoted("88.60 ±3.09", 88.6, 3.09)
    assert joint["time_total"].mean == -9.55
    assert single["organsmnist.accuracy"] == Quoted("80.42 ±0.52", 80.42, 0.52)
    assert (len(single), len(joint)) == (4, 5)


def test_the_combinations_are_all_there_are_of_four_tasks():
    specs = [row.spec for row in paper_table(2).rows if row.spec is not None and row.spec.joint]
    assert len({frozenset(spec.tasks) for spec in specs}) == 11
    assert all(spec.reevaluate and spec.rmp == 0.3 and spec.n_normal == 2 for spec in specs)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_column_that_was_printed_has_a_place_in_the_layout(number):
    printed = {key for row in paper_table(number).rows for key in row.quoted}
    assert printed <= {column.key for column in paper_table(number).columns}


def test_a_column_that_was_never_printed_needs_no_more_than_its_name_in_the_layout(
    medical, monkeypatch
):
    layouts = tomllib.loads((PAPER_FOLDER / "layouts.toml").read_text(encoding="utf-8"))
    layouts["table2"]["columns"].insert(1, "top5")
    read = specs._read
    monkeypatch.setattr(specs, "_read", lambda name: layouts if "layouts" in name else read(name))
    paper_table.cache_clear()
    (table,) = build_tables(read_runs(sorted(medical.glob("*/seed-*"))).runs, [2])
    paper_table.cache_clear()
    keys = [column.key for column in table.columns]
    assert keys[:3] == ["pathmnist.accuracy", "pathmnist.top5", "organamnist.accuracy"]
    accuracy, top5 = (
        [row.cells[keys.index(f"pathmnist.{name}")] for row in table.rows]
        for name in ("accuracy", "top5")
    )
    assert [cell.n for cell in top5] == [cell.n for cell in accuracy]
    assert {bool(cell.quoted) for cell in top5} == {False}


def test_a_text_that_is_no_number_stays_a_text():
    assert quote("0.58/0.97") == Quoted("0.58/0.97", None, None)


def test_settings_are_those_of_the_first_table():
    cifar = paper_settings({"cifar10", "cifar100"}, Family())
    medical = paper_settings({"pathmnist"}, Family())
    assert (cifar["search.generations"], cifar["supernet.channels"]) == (300, 20)
    assert (medical["search.generations"], medical["supernet.channels"]) == (100, 48)


#: Of the files whose every cell was compared with the printed tables. Compare again what changes.
VERIFIED = {
    "rerun2.toml": "e555c6dc60a251d638a0b9b0ad819f9d1b10aae03f3be98f6f93bd20eb2b25c9",
    "table2.toml": "1b28092e341787d8d5e1aa7e862a0c7b16776ee2cd627675b8d7efb5d5c34297",
    "table3.toml": "451c51827c470e945d8d07400df184cccf4a279effaa28798b54db28cdc97f68",
    "table4.toml": "b508954f7a858ebb575b22362c51737f28444afd656e3389e370f08a6104784e",
    "table5.toml": "4e6f3728412c86999c1d37a75978573f9782f632b0866c2ecd2ae3b8a4ca23f0",
    "table6.toml": "1aa77baccd5521b4338a08c9303f0e2190b3cbe77b0ce7ba60897b2f375e283d",
}


@pytest.mark.parametrize("name", VERIFIED)
def test_a_file_of_numbers_is_the_one_that_was_verified_against_the_print(name):
    content = (PAPER_FOLDER / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == VERIFIED[name]
