import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from fake import commit_search
from traces import drawn, traces

from emtnas_hpc.report.figures import ROLES
from emtnas_hpc.report.gallery import Gallery, draw_gallery
from emtnas_hpc.report.load import Runs, read_runs
from emtnas_hpc.report.page import (
    PAGE_NAME,
    build_page,
    entry_view,
    inline_svg,
    make_page,
    provenance_rows,
    publish,
)
from emtnas_hpc.report.paper import quote
from emtnas_hpc.report.stats import Comparison
from emtnas_hpc.report.table import Column, Entry, Sample
from emtnas_hpc.report.tables import build_tables

VOID = {"meta", "link", "br", "input"}
COLUMN = Column("cifar10.accuracy", "C-10 (%)", 2, tested=True)


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


@pytest.fixture(scope="module")
def found(medical: Path) -> Runs:
    return read_runs(sorted(medical.glob("*/seed-*")))


@pytest.fixture(scope="module")
def page(found: Runs) -> str:
    return make_page(found, build_tables(found.runs))


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return draw_gallery(drawn(traces(1)), pdf=False)


def test_every_table_figure_and_cell_is_on_the_page(outline: Outline) -> None:
    assert outline.tags["h1"] == 1
    # Three experiments: their summaries, Table 2, and provenance.
    assert outline.tags["table"] == 3 + 1 + 1
    pictures = 1 + (3 + 3 + 4) + 2 * (2 * 2 + 2 + 2)
    assert outline.tags["svg"] == outline.tags["figure"] == outline.tags["figcaption"] == pictures


def test_every_picture_has_a_text_in_its_place(page: str) -> None:
    roots = re.findall(r"<svg\b[^>]*>", page)
    assert roots
    for root in roots:
        assert 'role="img"' in root
        assert re.search(r'aria-label="[^"]{20,}"', root)


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
    assert set(re.findall(r"https?://[^\"' ]*", page)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_all_that_is_coloured_follows_the_colour_scheme(page: str) -> None:
    body = page[page.index("<main") :]
    light = {light for light, _dark in ROLES.values()}
    assert not [colour for colour in light if colour in body]
    for role in ROLES:
        assert page.count(f"--{role}:") == 2


def test_the_same_runs_give_the_same_page(found: Runs, page: str) -> None:
    assert make_page(found, build_tables(found.runs)) == page


def test_a_summary_is_of_the_seeds_in_the_figures(page: str) -> None:
    (lead,) = re.findall(r"<p>Searched on path\w* \+ organa\w*, ([^<]*)</p>", page)
    assert lead == "seeds 0, 1 (n = 2)."
    assert "Not finished and left out: seed 2." in page
    assert "deviation, n = 2" in page
    assert "deviation, n = 3" not in page


def test_what_was_skipped_is_said_and_cannot_be_markup(tmp_path: Path, gallery: Gallery) -> None:
    document = build_page(Runs((), ("runs/<b>x</b>: damaged",)), (), gallery)
    assert "<li>runs/&lt;b&gt;x&lt;/b&gt;: damaged</li>" in document
    Outline(document)


def test_a_page_without_any_search_is_whole(tmp_path: Path) -> None:
    outline = Outline(build_page(Runs((), ()), (), Gallery((), ())))
    assert outline.tags["svg"] == 0


def test_an_entry_shows_number_stars_test_and_what_was_printed() -> None:
    entry = Entry(
        Sample((0, 1), (96.0, 97.0)),
        paper=quote("96.73+-0.15"),
        rerun=quote("-"),
        test=Comparison(0.0079, 252, exact=True),
        q=0.016,
        best=True,
    )
    shown = entry_view(entry, COLUMN, True)
    assert (shown.value, shown.stars, shown.best) == ("96.50 ±0.71 (2)", "**", True)
    assert shown.lines == ("p 0.0079, q 0.016", "paper 96.73 ±0.15")


def test_where_nothing_was_run_the_page_says_so_beside_the_papers_number() -> None:
    shown = entry_view(Entry(missing="not run", paper=quote("96.2")), COLUMN, True)
    assert (shown.value, shown.missing, shown.lines) == ("not run", True, ("paper 96.2",))
    assert entry_view(Entry(paper=quote("96.2")), COLUMN, False).value == "96.2"


def test_provenance_names_every_value_that_differs() -> None:
    starts = [
        {"torch": "2.9", "device": "cpu", "time": "2026-01-02T10:00:00+01:00"},
        {"torch": "2.9", "device": "cuda", "time": "2026-01-01T10:00:00+01:00"},
        {"torch": "2.9", "device": "cuda"},
    ]
    assert provenance_rows(starts) == (
        ("PyTorch", "2.9"),
        ("device", "cpu (1 start); cuda (2 starts)"),
        ("started", "2026-01-01 to 2026-01-02"),
    )


def test_an_inlined_figure_keeps_the_ids_it_refers_to_and_makes_them_its_own() -> None:
    document = (
        '<?xml version="1.0"?>\n<svg viewBox="0 0 10 20" id="a"><title>t</title>'
        '<g id="b"/><path id="c" style="fill: #1b1b1f"/><use xlink:href="#c" clip-path="url(#c)"/>'
        "</svg>"
    )
    inlined = inline_svg(document, "name", 'a "title"')
    assert 'id="b"' not in inlined
    assert '<path id="name-c" style="fill: var(--ink)"/>' in inlined
    assert 'xlink:href="#name-c" clip-path="url(#name-c)"' in inlined
    assert 'aria-label="a &quot;title&quot;"' in inlined
    assert "<title>" not in inlined


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="name is no SVG"):
        inline_svg("<p>", "name", "")


def test_a_report_is_published_as_page_and_figures(tmp_path: Path) -> None:
    commit_search(tmp_path / "seed-0")
    runs = read_runs([tmp_path / "seed-0"])
    page, *figures = publish(runs, build_tables(runs.runs), tmp_path / "out")
    assert page == tmp_path / "out" / PAGE_NAME
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {"times.svg", "times.pdf", "captions.md"} <= {path.name for path in figures}
    assert publish(runs, build_tables(runs.runs), tmp_path / "out") == [page, *figures]


def test_a_page_needs_nothing_of_a_run_that_was_read_already(tmp_path: Path) -> None:
    commit_search(tmp_path / "seed-0")
    runs = read_runs([tmp_path / "seed-0"])
    for state in tmp_path.rglob("state.h5"):
        state.write_bytes(b"damaged in between")
    assert "seed 0 (n = 1)" in make_page(runs, build_tables(runs.runs))
