"""Tables as CSV, JSON, LaTeX and Markdown."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.table import (
    Column,
    Entry,
    Row,
    Shown,
    Table,
    cells_of,
    origins,
    shown,
    shown_columns,
)
from emtnas_hpc.report.tables import SEARCH_COLUMNS


def as_json(values: Any) -> str:
    """Any values, as JSON has them."""
    return json.dumps(plain(values), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """What was not measured is null, a path is text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_values(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Tables as plain values; of a row, only cells that something is said of."""
    return [
        {
            "key": table.key,
            "title": table.title,
            "labels": list(table.labels),
            "columns": [asdict(column) for column in table.columns],
            "rows": [_row_values(row, table) for row in table.rows],
            "notes": list(table.notes),
        }
        for table in tables
    ]


def cell_values(entry: Entry) -> dict[str, Any]:
    """Everything that is known of a cell; empty where nothing is said."""
    values: dict[str, Any] = {}
    if entry.sample is not None:
        values |= {"status": "run", **asdict(entry.sample.estimate)}
        values |= {"seeds": list(entry.sample.seeds), "values": list(entry.sample.values)}
        values |= {"stars": entry.stars, "best": entry.best}
    elif entry.diverged:
        values |= {"status": "diverged", "n": 0, "seeds": [], "values": []}
    elif entry.missing not in ("", "-"):
        values["status"] = entry.missing
    if entry.diverged:
        values["diverged"] = list(entry.diverged)
    if entry.test is not None:
        values |= {**asdict(entry.test), "q": entry.q, "n_baseline": entry.n_baseline}
    for name, quoted in (("paper", entry.paper), ("rerun", entry.rerun)):
        if quoted is not None:
            values |= {name: quoted.text, f"{name}_mean": quoted.mean, f"{name}_std": quoted.std}
    return plain(values)  # type: ignore[no-any-return]


def _row_values(row: Row, table: Table) -> dict[str, Any]:
    cells = {
        column.key: values
        for entry, column in zip(row.entries, table.columns, strict=True)
        if (values := cell_values(entry))
    }
    return {"key": row.key, "labels": list(row.labels), "ours": row.ours, "cells": cells}


_OF_CELL = (
    *("table", "row", "label", "column", "heading", "status", "mean", "std", "n"),
    *("seeds", "values", "p", "q", "exact", "n_splits", "n_baseline", "stars", "best"),
    *("paper", "paper_mean", "paper_std", "rerun", "rerun_mean", "rerun_std"),
)


def as_csv(tables: Sequence[Table]) -> str:
    """All tables in one; cells that nothing is said of are left out.

    A last column names the seeds that diverged, where there are any.
    """
    lines = [line for table in tables for line in _lines(table)]
    columns = (*_OF_CELL, *(["diverged"] if any("diverged" in line for line in lines) else []))
    return _written(columns, lines)


_OF_SEARCH = (
    *("experiment", "seed", "task", "quantity", "value", "unit", "generation", "n_generations"),
    *("diverged", "batch_norm", "experiment_signature", "directory"),
)


def searches_as_csv(runs: Sequence[Run]) -> str:
    """What searches found: a line for each seed, task and quantity of a search's table.

    All seeds are there. `diverged` is the first generation whose training loss is no finite number;
    such a seed is in no mean.
    """
    lines = (line for each in experiments_of(runs) for line in _lines_of_searches(each))
    return _written(_OF_SEARCH, lines)


def _lines_of_searches(experiment: Experiment) -> Iterator[dict[str, Any]]:
    for run in experiment.runs:
        if run.search is None:
            continue
        for task in run.search.tasks:
            for column in SEARCH_COLUMNS:
                value = column.value(task)
                yield {
                    "experiment": experiment.title,
                    "seed": run.search.seed,
                    "task": task.task,
                    "quantity": column.key,
                    # As it was before it was scaled: 45.23, not 45.230000000000004.
                    "value": None if math.isnan(value) else f"{value:.12g}",
                    "unit": column.unit,
                    "generation": run.search.generation,
                    "n_generations": run.search.n_generations,
                    "diverged": task.diverged_in,
                    "batch_norm": run.search.batch_norm,
                    "experiment_signature": experiment.signature,
                    "directory": run.directory,
                }


def _written(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _lines(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        label = " ".join(filter(None, row.labels))
        for entry, column in zip(row.entries, table.columns, strict=True):
            values = cell_values(entry)
            if not values:
                continue
            lists = {
                name: " ".join(map(str, value))
                for name, value in values.items()
                if isinstance(value, list)
            }
            yield {
                "table": table.key,
                "row": row.key,
                "label": label,
                "column": column.key,
                "heading": column.heading,
                **values,
                **lists,
            }


#: What Markdown would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(tables: Sequence[Table]) -> str:
    """All tables, each a section."""
    return "\n".join("\n".join(_section(table)) + "\n" for table in tables)


def escape_markdown(text: str) -> str:
    """Text that means nothing but itself."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _section(table: Table) -> Iterator[str]:
    columns = list(shown_columns(table))
    headings = [
        f"{column.heading}, {origin}" if len(origins(table, index)) > 1 else column.heading
        for index, column, origin in columns
    ]
    yield f"## {escape_markdown(table.title)}"
    yield ""
    yield _markdown_line([escape_markdown(text) for text in (*table.labels, *headings)])
    yield _markdown_line(["---"] * len(table.labels) + ["---:"] * len(columns))
    yield from (_markdown_line(map(_markdown_cell, cells_of(row, table))) for row in table.rows)
    for note in table.notes:
        yield ""
        yield escape_markdown(note)


def _markdown_cell(cell: Shown) -> str:
    text = escape_markdown(cell.full)
    if cell.bold:
        text = f"**{text}**"
    return text + r"\*" * cell.stars


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


#: Between two columns, in characters.
_GAP = 2


def parts(table: Table, width: int, *, stacked: bool = False) -> Iterator[Table]:
    """Tables with all rows and some of the columns each, at most so many characters wide.

    Columns of one data set stay together, and those of one kind, unless they alone are too wide.

    Args:
        table: of any width.
        width: in characters.
        stacked: whether ours, the paper's and the re-run's numbers stand below each other, and not
            beside.
    """
    labels = sum(
        max(map(len, (heading, *(row.labels[i] for row in table.rows)))) + _GAP
        for i, heading in enumerate(table.labels)
    )
    widths = [_width(table, index, stacked) for index in range(len(table.columns))]
    part: list[int] = []
    for block in _blocks(table, widths, width - labels):
        if part and labels + sum(widths[i] for i in (*part, *block)) > width:
            yield _with_columns(table, part)
            part = []
        part += block
    yield _with_columns(table, part)


def _blocks(table: Table, widths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Columns that stay together."""
    for _kind, indices in groupby(range(len(widths)), lambda i: _kind_of(table.columns[i])):
        block = list(indices)
        if sum(widths[i] for i in block) <= most:
            yield block
        else:
            yield from ([index] for index in block)


def _kind_of(column: Column) -> str:
    """Its data set; of columns that have none, what `time_total` and `time_search` share."""
    return column.task or column.quantity.partition("_")[0]


def _width(table: Table, index: int, stacked: bool) -> int:
    column = table.columns[index]
    widths = [
        max(len(shown(row.entries[index], column, origin).full) for row in table.rows) + _GAP
        for origin in origins(table, index)
    ]
    if stacked:
        # There a heading breaks between words.
        return max(*widths, max(map(len, column.heading.split())) + _GAP)
    return max(sum(widths), len(column.heading) + _GAP)


def _with_columns(table: Table, indices: Sequence[int]) -> Table:
    rows = (replace(row, entries=tuple(row.entries[i] for i in indices)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in indices), rows=tuple(rows))


_HEADER = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}."
#: Characters, of which a page has so many across in a size that can be read.
_WIDTH = 136
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


def escape_latex(text: str) -> str:
    """Text that means nothing but itself; where LaTeX has no glyph, a question mark."""
    return "".join(_ESCAPES.get(c, c if _has_glyph(c) else "?") for c in " ".join(text.split()))


def _has_glyph(character: str) -> bool:
    """ASCII, and the accented letters of Latin-1."""
    return character.isascii() or (character.isalpha() and ord(character) < 0x100)


def _float(table: Table) -> Iterator[str]:
    yield r"\begin{table*}"
    yield r"\centering\small"
    yield rf"\caption{{{escape_latex(table.title)}}}"
    yield rf"\label{{tab:{table.key}}}"
    for number, part in enumerate(parts(table, _WIDTH)):
        if number:
            yield r"\par\medskip"
        yield from _tabular(part)
    if table.notes:
        yield r"\par\medskip"
        yield r"\begin{minipage}{\linewidth}\footnotesize"
        yield "\n\n".join(escape_latex(note) for note in table.notes)
        yield r"\end{minipage}"
    yield r"\end{table*}"


def _tabular(table: Table) -> Iterator[str]:
    n_columns = len(list(shown_columns(table)))
    yield _SCALED
    yield rf"\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * n_columns}}}"
    yield r"\toprule"
    yield from _latex_headings(table)
    yield r"\midrule"
    for above, row in zip((None, *table.rows), table.rows, strict=False):
        if above is not None and above.ours != row.ours:
            yield r"\midrule"
        yield _latex_line(map(_latex_cell, cells_of(row, table)))
    yield r"\bottomrule"
    yield r"\end{tabular}}"


def _latex_headings(table: Table) -> Iterator[str]:
    """A column's heading over whose numbers it has; the second line only where it says more."""
    first = [escape_latex(label) for label in table.labels]
    second = [""] * len(table.labels)
    rules, at = [], len(first) + 1
    for index, column in enumerate(table.columns):
        below = origins(table, index)
        if len(below) == 1:
            first.append(escape_latex(column.heading))
            second.append("")
        else:
            first.append(rf"\multicolumn{{{len(below)}}}{{c}}{{{escape_latex(column.heading)}}}")
            second += below
            rules.append(rf"\cmidrule(lr){{{at}-{at + len(below) - 1}}}")
        at += len(below)
    yield _latex_line(first)
    if rules:
        yield " ".join(rules)
        yield _latex_line(second)


def _latex_cell(cell: Shown) -> str:
    text = _MINUS.sub("$-$", escape_latex(cell.text))
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    stars = "$^{" + "*" * cell.stars + "}$" if cell.stars else ""
    # Small, because it is the same in most cells.
    n = "" if cell.n is None else rf"\,{{\scriptsize({cell.n})}}"
    return text + stars + n


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
