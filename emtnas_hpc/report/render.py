"""Tables as CSV, JSON, LaTeX and Markdown, and wide ones in parts."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from emtnas_hpc.report.table import Column, Row, Table, TableCell


def plain(value: Any) -> Any:
    """What was not measured is null, a path is text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(values: Any) -> str:
    """Any values, as JSON has them."""
    return json.dumps(plain(values), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def table_values(table: Table) -> dict[str, Any]:
    """A table as plain values; of a row, only cells that something is said of."""
    return {
        "key": table.key,
        "title": table.title,
        "labels": table.labels,
        "columns": [asdict(column) for column in table.columns],
        "rows": [
            {
                "key": row.key,
                "labels": row.labels,
                "ours": row.ours,
                "cells": {column.key: values for column, values in _said(table, row)},
            }
            for row in table.rows
        ],
        "notes": table.notes,
    }


def _said(table: Table, row: Row) -> Iterator[tuple[Column, dict[str, Any]]]:
    for column, cell in zip(table.columns, row.cells, strict=True):
        if values := _cell_values(cell):
            yield column, values


def _cell_values(cell: TableCell) -> dict[str, Any]:
    """Everything that is known of a cell; empty where nothing is said."""
    values: dict[str, Any] = {}
    if cell.n:
        about = {"n": 0} if cell.estimate is None else asdict(cell.estimate)
        values = {"status": "run" if cell.estimate else "diverged", **about}
        values |= {"seeds": list(cell.seeds), "values": list(cell.values)}
    elif cell.missing not in ("", "-"):
        values["status"] = cell.missing
    elif cell.estimate is not None:
        # No mean over seeds, but a number that was computed from several of them.
        return {"mean": cell.estimate.mean}
    if cell.estimate is not None:
        values |= {"stars": cell.stars, "best": cell.best}
    if cell.diverged:
        values["diverged"] = list(cell.diverged)
    if cell.test is not None:
        test = cell.test
        values |= {"p": test.p, "n_splits": test.n_permutations, "exact": test.exact}
        values |= {"q": cell.q, "n_baseline": cell.n_baseline}
    for name, quoted in cell.quoted.items():
        values |= {name: quoted.text, f"{name}_mean": quoted.mean, f"{name}_std": quoted.std}
    return values


_OF_CELL = (
    *("table", "row", "label", "column", "heading", "status", "mean", "std", "n"),
    *("seeds", "values", "p", "q", "exact", "n_splits", "n_baseline", "stars", "best"),
    *("paper", "paper_mean", "paper_std", "rerun", "rerun_mean", "rerun_std"),
)


def as_csv(tables: Sequence[Table]) -> str:
    """All tables in one; cells that nothing is said of are left out.

    A last column names the seeds that diverged, where there are any.
    """
    lines = [
        {
            "table": table.key,
            "row": row.key,
            "label": " ".join(filter(None, row.labels)),
            "column": column.key,
            "heading": column.heading,
            **values,
        }
        for table in tables
        for row in table.rows
        for column, values in _said(table, row)
    ]
    columns = (*_OF_CELL, *(["diverged"] if any("diverged" in line for line in lines) else []))
    return lines_as_csv(lines, columns)


def lines_as_csv(lines: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Lines under these columns; what was not measured is empty, a list has spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        cells = {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in line.items()}
        writer.writerow(plain(cells))
    return text.getvalue()


# Wide tables.

#: Characters that fit on a sheet of paper, in a size that can be read.
_PAGE_WIDTH = 136
#: Between two columns, in characters.
_GAP = 2


def parts(table: Table, width: int, *, stacked: bool = False) -> Iterator[Table]:
    """Tables with all rows and some of the columns each, at most so many characters wide.

    Columns of one data set stay together, and those of one kind, unless they alone are too wide.
    Stacked, numbers of several origins stand below each other, not beside, and a heading breaks
    between words.
    """
    labels = sum(label_width(table, i, stacked) + _GAP for i in range(len(table.labels)))
    widths = [column_width(table, i, stacked) + _GAP for i in range(len(table.columns))]
    part: list[int] = []
    for _kind, indices in groupby(range(len(widths)), lambda i: _kind_of(table.columns[i])):
        block = list(indices)
        fits = labels + sum(widths[i] for i in block) <= width
        for together in [block] if fits else [[index] for index in block]:
            if part and labels + sum(widths[i] for i in (*part, *together)) > width:
                yield table.with_columns(part)
                part = []
            part += together
    yield table.with_columns(part)


def _kind_of(column: Column) -> str:
    """Its data set; of columns that have none, what `time_total` and `time_search` share."""
    return column.task or column.quantity.partition("_")[0]


def label_width(table: Table, index: int, stacked: bool = True) -> int:
    """The longest text that is not to be broken; a stacked heading may be, between words."""
    name = table.labels[index]
    texts = [*(name.split() if stacked else [name]), *(row.labels[index] for row in table.rows)]
    return max(map(len, texts), default=0)


def column_width(table: Table, index: int, stacked: bool = True) -> int:
    """Likewise of a column; side by side, numbers of several origins need room for each."""
    column = table.columns[index]
    if stacked:
        lines = [line for row in table.rows for line in table.lines(row, index)]
        return max(map(len, [*lines, *column.heading.split()]), default=0)
    widths = [
        max((len(column.full(cell, origin)) for cell in table.cells(index)), default=0) + _GAP
        for origin in table.origins(index)
    ]
    return max(sum(widths) - _GAP, len(column.heading))


# Markdown.

#: What Markdown would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(tables: Sequence[Table]) -> str:
    """All tables, each a section."""
    return "\n".join("\n".join(_section(table)) + "\n" for table in tables)


def _section(table: Table) -> Iterator[str]:
    columns = list(_columns(table))
    headings = [
        f"{column.heading}, {origin}" if len(table.origins(index)) > 1 else column.heading
        for index, column, origin in columns
    ]
    yield f"## {_escape_markdown(table.title)}"
    yield ""
    yield _markdown_line(map(_escape_markdown, (*table.labels, *headings)))
    yield _markdown_line(["---"] * len(table.labels) + ["---:"] * len(columns))
    for row in table.rows:
        cells = (_markdown_cell(row.cells[i], column, origin) for i, column, origin in columns)
        yield _markdown_line([*map(_escape_markdown, row.labels), *cells])
    for note in table.notes:
        yield ""
        yield _escape_markdown(note)


def _columns(table: Table) -> Iterator[tuple[int, Column, str]]:
    """Every column once for each origin of its numbers, from left to right."""
    for index, column in enumerate(table.columns):
        for origin in table.origins(index):
            yield index, column, origin


def _escape_markdown(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _markdown_cell(cell: TableCell, column: Column, origin: str) -> str:
    text = _escape_markdown(column.full(cell, origin))
    if origin != "ours":
        return text
    return (f"**{text}**" if cell.best else text) + r"\*" * cell.stars


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


# LaTeX.

_HEADER = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}."
#: A table that is too wide is scaled down to the line, another one stays as it is.
_SCALED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
#: Of a number; else it would be a hyphen.
_MINUS = re.compile(r"^-(?=\d)")
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "*": r"$\ast$",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "…": r"\dots{}",
}


def as_latex(tables: Sequence[Table]) -> str:
    """All tables, each a float."""
    return "\n".join([_HEADER, *("\n".join(_float(table)) + "\n" for table in tables)])


def _float(table: Table) -> Iterator[str]:
    yield r"\begin{table*}"
    yield r"\centering\small"
    yield rf"\caption{{{_escape_latex(table.title)}}}"
    yield rf"\label{{tab:{table.key}}}"
    for number, part in enumerate(parts(table, _PAGE_WIDTH)):
        if number:
            yield r"\par\medskip"
        yield from _tabular(part)
    if table.notes:
        yield r"\par\medskip"
        yield r"\begin{minipage}{\linewidth}\footnotesize"
        yield "\n\n".join(map(_escape_latex, table.notes))
        yield r"\end{minipage}"
    yield r"\end{table*}"


def _tabular(table: Table) -> Iterator[str]:
    columns = list(_columns(table))
    yield _SCALED
    yield rf"\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * len(columns)}}}"
    yield r"\toprule"
    yield from _latex_headings(table)
    yield r"\midrule"
    for above, row in zip((None, *table.rows), table.rows, strict=False):
        if above is not None and above.ours != row.ours:
            yield r"\midrule"
        cells = (_latex_cell(row.cells[i], column, origin) for i, column, origin in columns)
        yield _latex_line([*map(_latex_number, row.labels), *cells])
    yield r"\bottomrule"
    yield r"\end{tabular}}"


def _latex_headings(table: Table) -> Iterator[str]:
    """A column's heading over whose numbers it has; the second line only where it says more."""
    first = list(map(_escape_latex, table.labels))
    second = [""] * len(table.labels)
    rules = []
    for index, column in enumerate(table.columns):
        origins, heading = table.origins(index), _escape_latex(column.heading)
        if len(origins) == 1:
            first.append(heading)
            second.append("")
        else:
            first.append(rf"\multicolumn{{{len(origins)}}}{{c}}{{{heading}}}")
            rules.append(rf"\cmidrule(lr){{{len(second) + 1}-{len(second) + len(origins)}}}")
            second += origins
    yield _latex_line(first)
    if rules:
        yield " ".join(rules)
        yield _latex_line(second)


def _latex_cell(cell: TableCell, column: Column, origin: str) -> str:
    if origin != "ours":
        return _latex_number(column.full(cell, origin))
    text = _latex_number(column.text(cell))
    if cell.best:
        text = rf"\textbf{{{text}}}"
    stars = "$^{" + "*" * cell.stars + "}$" if cell.stars else ""
    # Small, because it is the same in most cells.
    return text + stars + ("" if cell.n is None else rf"\,{{\scriptsize({cell.n})}}")


def _latex_number(text: str) -> str:
    return _MINUS.sub("$-$", _escape_latex(text))


def _escape_latex(text: str) -> str:
    """Text that means nothing but itself; where LaTeX has no glyph, a question mark."""
    # Glyphs are there for ASCII and the accented letters of Latin-1.
    return "".join(
        _ESCAPES.get(c, c if c.isascii() or (c.isalpha() and ord(c) < 0x100) else "?")
        for c in " ".join(text.split())
    )


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
