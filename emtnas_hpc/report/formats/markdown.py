"""Tables as Markdown."""

import re
from collections.abc import Iterator, Sequence

from emtnas_hpc.report.formats.cells import Shown, origins, shown, shown_columns
from emtnas_hpc.report.table import Row, Table

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
    yield from (_line(_cells(row, table)) for row in table.rows)
    for note in table.notes:
        yield ""
        yield escape(note)


def _cells(row: Row, table: Table) -> Iterator[str]:
    yield from map(escape, row.labels)
    for index, column, origin in shown_columns(table):
        yield _cell(shown(row.entries[index], column, origin))


def _cell(cell: Shown) -> str:
    text = escape(cell.text)
    if cell.bold:
        text = f"**{text}**"
    return text + r"\*" * cell.stars


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
