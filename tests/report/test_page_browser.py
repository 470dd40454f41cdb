"""The page in a real browser; skipped where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.page import make_page
from emtnas_hpc.report.tables import build_tables

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome on this machine"),
]

PHONE, DESKTOP = (360, 740), (1280, 900)
#: Every picture: is it loaded and shown, and within its figure or a part that scrolls?
_FIGURES = """
() => [...document.querySelectorAll('img')].map(img => {
    const box = img.getBoundingClientRect();
    const frame = img.parentElement.getBoundingClientRect();
    return {
        label: img.alt,
        shown: img.complete && img.checkVisibility() && box.width > 50 && box.height > 50,
        fits: box.right <= frame.right + 1 || img.parentElement.className === 'scroll',
    };
})
"""
_COLOURS = """
() => ['body', 'td small', 'a'].map(selector => {
    const style = getComputedStyle(document.querySelector(selector));
    return [style.backgroundColor, style.color, style.fill];
})
"""


@pytest.fixture(scope="module")
def address(medical: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    runs = read_runs(sorted(medical.glob("*/seed-*")))
    file = tmp_path_factory.mktemp("page") / "report.html"
    page = make_page(runs, build_tables(runs.runs, (2, 5)), experiments_of(runs.runs))
    file.write_text(page, encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # Containers have no user namespaces for its sandbox; the page is our own.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def visit(browser: Any, address: str, **options: Any) -> tuple[Any, list[str]]:
    """Opens the page; returns it with a list of what it complains of or asks for, from now on."""
    events: list[str] = []
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(120_000)
    page.on("console", lambda message: events.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: events.append(f"error: {error}"))
    page.on("request", lambda request: events.append(f"request: {request.url}"))
    page.goto(address)
    return page, events


def unexpected(events: list[str], address: str) -> list[str]:
    return [e for e in events if e != f"request: {address}" and ": data:" not in e]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_every_figure_is_visible_and_nothing_is_asked_of_the_network(
    browser: Any, address: str, scheme: str, size: tuple[int, int]
) -> None:
    width, height = size
    viewport = {"width": width, "height": height}
    page, events = visit(browser, address, color_scheme=scheme, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    figures = page.evaluate(_FIGURES)
    assert figures
    assert [figure for figure in figures if not figure["shown"] or not figure["fits"]] == []
    # Tables scroll by themselves, the page never does sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.screenshot(full_page=True).startswith(b"\x89PNG")
    assert unexpected(events, address) == []


def test_what_the_page_asks_for_later_is_seen_too(browser: Any, address: str) -> None:
    page, events = visit(browser, address)
    page.evaluate("console.log('later')")
    page.wait_for_function("true")
    assert unexpected(events, address) == ["console: later"]


def test_the_page_follows_the_colour_scheme_and_figures_keep_a_light_ground(
    browser: Any, address: str
) -> None:
    light, _events = visit(browser, address, color_scheme="light")
    dark, _events = visit(browser, address, color_scheme="dark")
    for of_light, of_dark in zip(light.evaluate(_COLOURS), dark.evaluate(_COLOURS), strict=True):
        assert of_light != of_dark
    ground = "getComputedStyle(document.querySelector('figure')).backgroundColor"
    assert light.evaluate(ground) == dark.evaluate(ground) == "rgb(247, 247, 249)"


def test_on_paper_it_is_light_and_shows_the_cells_of_every_seed(browser: Any, address: str) -> None:
    page, _events = visit(browser, address, color_scheme="dark")
    visible = "[...document.querySelectorAll('.cells img')].map(s => s.checkVisibility())"
    assert set(page.evaluate(visible)) == {True, False}
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(_COLOURS)[0][0] == "rgb(255, 255, 255)"
    assert set(page.evaluate(visible)) == {True}
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_on_paper_no_table_is_cut(browser: Any, address: str) -> None:
    # A4 less its margins, in CSS pixels.
    page, _events = visit(browser, address, viewport={"width": 688, "height": 971})
    page.emulate_media(media="print")
    widths = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().width)"
    )
    assert len(widths) > 3
    assert max(widths) <= page.evaluate("document.body.clientWidth")
