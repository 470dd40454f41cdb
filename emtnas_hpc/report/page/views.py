"""What the templates are given: words and pictures in the order of the page, nothing to decide."""

from dataclasses import dataclass


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
