"""Tables as Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence

from emtnas_hpc.report.formats.cells import Shown, cells_of, origins, shown_columns
from emtnas_hpc.report.table import Table

#: What Markdown would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(tables: Sequence[Table]) -> str:
    """All tables, each a section."""
    return "\n".join("\n".join(_section(table)) + "\n" for table in tables)


def escape(text: str) -> str:
    """Text that means nothing but itself."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _section(table: Table) -> Iterator[str]:
    columns = list(shown_columns(table))
    headings = [
        f"{column.heading}, {origin}" if len(origins(table, index)) > 1 else column.heading
        for index, column, origin in columns
    ]
    yield f"## {escape(table.title)}"
    yield ""
    yield _line([escape(text) for text in (*table.labels, *headings)])
    yield _line(["---"] * len(table.labels) + ["---:"] * len(columns))
    yield from (_line(map(_cell, cells_of(row, table))) for row in table.rows)
    for note in table.notes:
        yield ""
        yield escape(note)


def _cell(cell: Shown) -> str:
    text = escape(cell.full)
    if cell.bold:
        text = f"**{text}**"
    return text + r"\*" * cell.stars


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
