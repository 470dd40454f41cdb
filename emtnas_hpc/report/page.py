"""The report as one HTML page that needs nothing but itself."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

import emtnas_hpc
from emtnas_hpc.checkpoint.atomic import make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.report.experiments import Experiment, experiments_of, searches_of
from emtnas_hpc.report.figures import ROLES
from emtnas_hpc.report.gallery import (
    Chapter,
    Drawing,
    Gallery,
    Incumbent,
    draw_gallery,
    write_gallery,
)
from emtnas_hpc.report.load import Runs
from emtnas_hpc.report.render import parts
from emtnas_hpc.report.table import Column, Entry, Row, Table, shown
from emtnas_hpc.report.tables import search_notes, search_table


@dataclass(frozen=True)
class EntryView:
    """An entry of a table.

    Attributes:
        value: the mean with its deviation and n; what is missing, or what was printed.
        stars: none, one or two.
        best: whether it is the best of the column.
        missing: whether the value says why there is none.
        lines: smaller, below: the test, what was printed elsewhere.
    """

    value: str
    stars: str = ""
    best: bool = False
    missing: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowView:
    """A row: its words, its entries, and whether runs can fill it."""

    labels: tuple[str, ...]
    entries: tuple[EntryView, ...]
    ours: bool = True


@dataclass(frozen=True)
class GridView:
    """Columns of a table that stand side by side: their headings, and all rows."""

    columns: tuple[str, ...]
    rows: tuple[RowView, ...]


@dataclass(frozen=True)
class TableView:
    """A table.

    Attributes:
        key: its address on the page.
        title: one line.
        labels: headings of the rows' words.
        grids: one, or several below each other if it is wide.
        notes: what stands below it.
    """

    key: str
    title: str
    labels: tuple[str, ...]
    grids: tuple[GridView, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureView:
    """A figure: its address, its words, and an `<svg>` element."""

    name: str
    title: str
    text: str
    svg: str


@dataclass(frozen=True)
class IncumbentView:
    """The two cells of an incumbent under a heading."""

    heading: str
    cells: tuple[FigureView, ...]


@dataclass(frozen=True)
class SeedView:
    """The incumbents of a seed."""

    seed: int
    incumbents: tuple[IncumbentView, ...]


@dataclass(frozen=True)
class ChapterView:
    """An experiment: its summary, figures and cells."""

    key: str
    title: str
    lead: str
    summary: TableView | None
    figures: tuple[FigureView, ...]
    seeds: tuple[SeedView, ...]


@dataclass(frozen=True)
class PageView:
    """The page from top to bottom."""

    title: str
    lead: str
    problems: tuple[str, ...]
    tables: tuple[TableView, ...]
    overview: tuple[FigureView, ...]
    chapters: tuple[ChapterView, ...]
    provenance: tuple[tuple[str, str], ...]
    version: str


#: Characters that fit on a sheet of paper.
_WIDTH = 136


def table_view(table: Table) -> TableView:
    """A table of the paper's, or of other experiments."""
    return TableView(
        key=table.key,
        title=table.title,
        labels=table.labels,
        grids=tuple(map(_grid, parts(table, _WIDTH, stacked=True))),
        notes=table.notes,
    )


def summary_view(experiment: Experiment) -> TableView:
    """What an experiment's searches found, mean over their seeds."""
    table, searches = search_table(experiment), [run.search for run in experiment.averaged]
    unfinished = ", ".join(map(str, experiment.unfinished))
    left_out = " and left out" if experiment.finished else ""
    meaning, *others = search_notes([experiment])
    mode = "".join({search.batch_norm for search in searches if search is not None})
    return TableView(
        key=f"{experiment.key}-summary",
        title=f"What the searches found: mean ± sample standard deviation, n = {len(searches)}",
        labels=table.labels,
        grids=(_summary_grid(table),),
        notes=(
            *table.diverged_notes,
            f"Batch-norm mode {mode}. {meaning}",
            *others,
            *([f"Not finished{left_out}: seed {unfinished}."] if unfinished else []),
        ),
    )


def _grid(table: Table) -> GridView:
    headings = (column.heading for column in table.columns)
    return GridView(tuple(headings), tuple(_row(row, table) for row in table.rows))


def _row(row: Row, table: Table) -> RowView:
    pairs = zip(row.entries, table.columns, strict=True)
    entries = tuple(entry_view(entry, column, row.ours) for entry, column in pairs)
    return RowView(row.labels, entries, row.ours)


def entry_view(entry: Entry, column: Column, ours: bool) -> EntryView:
    """An entry; where runs cannot fill its row, the printed value is the value."""
    if not ours:
        return EntryView(shown(entry, column, "paper").full)
    cell = shown(entry, column, "ours")
    return EntryView(
        cell.full,
        "*" * cell.stars,
        cell.bold,
        missing=not cell.is_value,
        lines=tuple(_below(entry)),
    )


def _below(entry: Entry) -> list[str]:
    lines = []
    if entry.test is not None:
        q = "" if entry.q is None else f", q {entry.q:.2g}"
        lines.append(f"p {entry.test.p:.2g}{q}")
    quoted = (("paper", entry.paper), ("re-run", entry.rerun))
    return lines + [
        f"{name} {q.text}" for name, q in quoted if q is not None and q.mean is not None
    ]


def _summary_grid(table: Table) -> GridView:
    """Of one n for all, which the title says."""
    headings = (column.heading for column in table.columns)
    return GridView(tuple(headings), tuple(_summary_row(row, table) for row in table.rows))


def _summary_row(row: Row, table: Table) -> RowView:
    pairs = zip(row.entries, table.columns, strict=True)
    cells = (shown(entry, column, "ours") for entry, column in pairs)
    return RowView(row.labels, tuple(EntryView(cell.without_n) for cell in cells))


#: What is said of a start, and how a page calls it.
_FACTS = (
    ("emtnas_hpc", "emtnas-hpc"),
    ("torch", "PyTorch"),
    ("numpy", "NumPy"),
    ("python", "Python"),
    ("device", "device"),
    ("device_model", "model"),
    ("cpu_capability", "CPU capability"),
    ("threads", "threads"),
    ("precision", "precision"),
    ("depthwise", "depthwise convolutions"),
    ("pointwise", "1x1 convolutions"),
    ("platform", "platform"),
)
_DATE = len("2026-11-24")


def provenance_rows(conditions: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Facts with their values; of several values, how many starts had each.

    Args:
        conditions: of each start that committed something, as its attempt tells them.
    """
    starts = list(conditions)
    rows = [(label, _values(starts, name)) for name, label in _FACTS]
    rows.append(("started", _days(starts)))
    return tuple((label, value) for label, value in rows if value)


def _values(starts: Sequence[Mapping[str, Any]], name: str) -> str:
    counts = Counter(str(start[name]) for start in starts if name in start)
    if len(counts) < 2:
        return "".join(counts)
    return "; ".join(f"{value} ({_starts(n)})" for value, n in sorted(counts.items()))


def _starts(n: int) -> str:
    return "1 start" if n == 1 else f"{n} starts"


def _days(starts: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({str(start["time"])[:_DATE] for start in starts if "time" in start})
    return " to ".join(dict.fromkeys((*days[:1], *days[-1:])))


_ROOT = re.compile(r"<svg\b[^>]*>")
_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
#: What says something of the document, or would hold for the whole page.
_NOT_OURS = re.compile(r"<(metadata|title|style)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(?<=url\(#)[^)]*|(?<=href="#)[^"]*')
_FONT = re.compile(r"font: ([\w. ]*?[\d.]+px)[^;\"]*")
_FAMILY = re.compile(r"font-family: [^;\"]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")

_ROLE_OF = {light: role for role, (light, _dark) in ROLES.items()}


def inline_svg(document: str, name: str, alt: str) -> str:
    """An `<svg>` element to be put into a page.

    Args:
        document: of matplotlib, or of `space.picture`.
        name: of the figure; no other one on the page has it.
        alt: what is read out in its place.
    """
    root = _ROOT.search(document)
    box = _VIEW_BOX.search(document)
    if root is None or box is None:
        raise ValueError(f"{name} is no SVG document with a viewBox from 0 0")
    body = _with_own_ids(_NOT_OURS.sub("", document[root.end() :]), name)
    body = _FONT.sub(r"font: \1 var(--font)", body)
    body = _FAMILY.sub("font-family: var(--font)", body)
    body = _COLOUR.sub(_by_role, body)
    start = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {box[1]} {box[2]}" '
        f'width="{box[1]}" height="{box[2]}" role="img" aria-label="{escape(alt)}" '
        'stroke-linejoin="round">'
    )
    return start + body.strip()


def colour_variables(dark: bool) -> str:
    """CSS declarations of all colours of figures."""
    return " ".join(f"--{role}: {colours[dark]};" for role, colours in ROLES.items())


def _by_role(colour: re.Match[str]) -> str:
    role = _ROLE_OF.get(colour[0])
    return f"var(--{role})" if role else colour[0]


def _with_own_ids(body: str, name: str) -> str:
    """Keeps the ids that are referred to, and makes them the figure's own."""
    used = set(_REFERENCE.findall(body))

    def rename(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    return _REFERENCE.sub(lambda match: f"{name}-{match[0]}", _ID.sub(rename, body))


_TEMPLATES = Path(__file__).parent / "templates"


def build_page(runs: Runs, tables: Sequence[Table], gallery: Gallery) -> str:
    """The report as one HTML document; the same text for the same runs.

    Args:
        runs: all that are reported.
        tables: made of them.
        gallery: likewise.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        page=_page(runs, tables, gallery),
        light=colour_variables(dark=False),
        dark=colour_variables(dark=True),
    )


def _page(runs: Runs, tables: Sequence[Table], gallery: Gallery) -> PageView:
    found = experiments_of(runs.runs)
    experiments = {experiment.signature: experiment for experiment in found}
    conditions = [condition for run in runs.runs for condition in run.conditions()]
    return PageView(
        title="Architecture searches" if len(found) != 1 else f"{found[0].name}: the report",
        lead=_lead(runs, len(found)),
        problems=runs.problems,
        tables=tuple(map(table_view, tables)),
        overview=tuple(map(_figure, gallery.overview)),
        chapters=tuple(_chapter(chapter, experiments) for chapter in gallery.chapters),
        provenance=provenance_rows(conditions),
        version=emtnas_hpc.__version__,
    )


def _lead(runs: Runs, n_experiments: int) -> str:
    n_retrained = sum(retraining.finished for run in runs.runs for retraining in run.retrainings)
    counts = (
        (len(runs.runs), "run"),
        (n_experiments, "experiment"),
        (n_retrained, "finished retraining"),
    )
    return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts) + "."


def _chapter(chapter: Chapter, experiments: dict[str, Experiment]) -> ChapterView:
    experiment = chapter.experiment
    found = experiments.get(experiment.signature)
    progress = "" if experiment.finished else f", up to generation {experiment.generation}"
    return ChapterView(
        key=experiment.key,
        title=experiment.title,
        lead=f"Searched on {' + '.join(experiment.tasks)}, {experiment.seeds}{progress}.",
        summary=summary_view(found) if found else None,
        figures=tuple(map(_figure, chapter.figures)),
        seeds=tuple(
            SeedView(seed, tuple(map(_incumbent, incumbents)))
            for seed, incumbents in groupby(chapter.incumbents, lambda incumbent: incumbent.seed)
        ),
    )


def _incumbent(incumbent: Incumbent) -> IncumbentView:
    heading = f"{incumbent.task}: individual {incumbent.individual}"
    return IncumbentView(heading, tuple(map(_figure, incumbent.cells)))


def _figure(drawing: Drawing) -> FigureView:
    caption = drawing.caption
    svg = inline_svg(drawing.svg, drawing.name, caption.alt)
    return FigureView(drawing.name, caption.title, caption.text, svg)


PAGE_NAME = "report.html"
FIGURES_NAME = "figures"


def make_page(runs: Runs, tables: Sequence[Table]) -> str:
    """The page alone, as text."""
    return build_page(runs, tables, _draw(runs, pdf=False))


def publish(runs: Runs, tables: Sequence[Table], output: Path) -> list[Path]:
    """Writes `report.html`, and in `figures/` an SVG and a PDF of every figure.

    Args:
        runs: that are reported.
        tables: made of them.
        output: a folder; files of an earlier report are replaced.

    Returns:
        What was written, the page first.

    Raises:
        StorageError: the disk refused.
    """
    gallery = _draw(runs, pdf=True)
    make_directory(output)
    page = output / PAGE_NAME
    with storage_errors(page):
        page.write_bytes(build_page(runs, tables, gallery).encode(errors="replace"))
    return [page, *write_gallery(gallery, output / FIGURES_NAME)]


def _draw(runs: Runs, *, pdf: bool) -> Gallery:
    return draw_gallery(tuple(map(searches_of, experiments_of(runs.runs))), pdf=pdf)
