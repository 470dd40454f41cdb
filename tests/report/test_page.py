import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from fake import commit_search
from tables_by_hand import nasty_table

from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import Runs, read_runs
from emtnas_hpc.report.page import make_files, make_page, provenance_rows
from emtnas_hpc.report.table import Column, Row, Table, TableCell, quote
from emtnas_hpc.report.tables import build_tables

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "br", "input", "img"}


class Outline(HTMLParser):
    """What a document is made of; fails where tags do not match."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def page_of(runs: Runs) -> str:
    return make_page(runs, build_tables(runs.runs), experiments_of(runs.runs))


@pytest.fixture(scope="module")
def found(medical: Path) -> Runs:
    return read_runs(sorted(medical.glob("*/seed-*")))


@pytest.fixture(scope="module")
def page(found: Runs) -> str:
    return page_of(found)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_every_table_figure_and_cell_is_on_the_page(outline: Outline) -> None:
    assert outline.tags["h1"] == 1
    # Three experiments: their summaries and Table 2 in two parts each, contrasts, and provenance.
    assert outline.tags["table"] == 2 * (3 + 1) + 1 + 1
    pictures = 1 + 1 + (3 + 3 + 4) + 2 * (2 * 2 + 2 + 2)
    assert outline.tags["img"] == outline.tags["figure"] == outline.tags["figcaption"] == pictures


def test_every_picture_has_a_text_in_its_place_and_is_whole(page: str) -> None:
    pictures = re.findall(r'<img src="data:image/svg\+xml,([^"]*)" alt="([^"]*)">', page)
    assert len(pictures) == page.count("<img")
    for encoded, alt in pictures:
        assert len(alt) >= 20
        # An address ends at a #, and its line ends are dropped.
        assert not set(encoded) & {"#", "&", "\n"}
        assert ElementTree.fromstring(unquote(encoded)).tag.endswith("svg")


def test_no_address_on_the_page_is_there_twice_and_every_link_leads_somewhere(
    outline: Outline,
) -> None:
    ids = outline.values("id")
    assert len(ids) == len(set(ids))
    links = outline.values("href") + outline.values("xlink:href")
    targets = {link[1:] for link in links if link.startswith("#")}
    assert targets <= set(ids)


def test_the_page_refers_to_nothing_outside_itself(page: str, outline: Outline) -> None:
    links = outline.values("href") + outline.values("xlink:href") + outline.values("src")
    assert {link[:5] for link in links if not link.startswith("#")} <= {"data:"}
    assert outline.tags["script"] == 0
    assert "@import" not in page
    # Pictures name their vocabulary.
    words = re.sub(r'src="data:[^"]*"', "", page)
    assert re.findall(r"https?://[^\"' ]*", words) == []


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_the_same_runs_give_the_same_page(found: Runs, page: str) -> None:
    assert page_of(found) == page


def test_a_summary_is_of_the_seeds_in_the_figures(page: str) -> None:
    (lead,) = re.findall(r"<p>Searched on path\w* \+ organa\w*, ([^<]*)</p>", page)
    assert lead == "seeds 0, 1 (n = 2)."
    assert "seeds 0, 1 (n = 2), seed 2 not finished and left out; supernet" in page
    assert "(n = 3)" not in page


def test_what_was_skipped_is_said_and_cannot_be_markup() -> None:
    document = make_page(Runs((), ("runs/<b>x</b>: damaged",)), (), ())
    assert "<li>runs/&lt;b&gt;x&lt;/b&gt;: damaged</li>" in document
    Outline(document)


def test_a_page_without_any_search_is_whole() -> None:
    assert Outline(make_page(Runs((), ()), (), ())).tags["img"] == 0


def test_a_cell_shows_number_stars_test_and_what_was_printed() -> None:
    document = make_page(Runs((), ()), [nasty_table()], ())
    cells = re.findall(r'<td class="number">(.*?)</td>', document, re.DOTALL)
    ours = re.sub(r"\s+", " ", cells[2])
    assert ours == (
        "<strong>92.00 ±0.71 (2)</strong><sup>*</sup><small>p 0.03, q 0.06</small>"
        "<small>paper 90.0 ±1.5</small><small>re-run 89.1</small>"
    )
    # What was printed stands alone where runs cannot fill the row.
    assert (cells[0], cells[1]) == ("*", "")
    assert cells[4] == '<span class="missing">not run</span>'
    Outline(document)


def test_what_was_printed_without_a_number_is_shown_as_on_a_screen() -> None:
    cell = replace(TableCell.of({0: 91.5}), quoted={"paper": quote("*")})
    row, columns = Row("x", ("x",), (cell,)), (Column("accuracy", "Test (%)", 2),)
    document = make_page(Runs((), ()), [Table("other", "", ("",), columns, (row,), ())], ())
    assert "91.50 (1)<small>paper *</small>" in re.sub(r"\s*\n", "", document)


def test_provenance_names_every_value_that_differs() -> None:
    starts = [
        {"torch": "2.9", "device": "cpu", "time": "2026-01-02T10:00:00+01:00"},
        {"torch": "2.9", "device": "cuda", "time": "2026-01-01T10:00:00+01:00"},
        {"torch": "2.9", "device": "cuda"},
    ]
    assert provenance_rows(starts) == [
        ("PyTorch", "2.9"),
        ("device", "cpu (1 start); cuda (2 starts)"),
        ("started", "2026-01-01 to 2026-01-02"),
    ]


def test_a_report_is_a_page_with_its_figures_and_their_captions(tmp_path: Path) -> None:
    commit_search(tmp_path / "seed-0")
    runs = read_runs([tmp_path / "seed-0"])
    files = make_files(runs, build_tables(runs.runs), experiments_of(runs.runs))
    page, *figures = files
    assert page == "report.html"
    assert files[page].startswith("<!doctype html>")
    assert {"figures/times.svg", "figures/captions.md"} <= set(figures)
    assert files["figures/captions.md"].count("**") == 2 * (len(figures) - 1)


def test_a_page_needs_nothing_of_a_run_that_was_read_already(tmp_path: Path) -> None:
    commit_search(tmp_path / "seed-0")
    runs = read_runs([tmp_path / "seed-0"])
    for state in tmp_path.rglob("state.h5"):
        state.write_bytes(b"damaged in between")
    assert "seed 0 (n = 1)" in page_of(runs)
