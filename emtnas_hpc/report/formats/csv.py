"""Tables as CSV: one line a cell, with every number that belongs to it."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.formats.json import cell_values
from emtnas_hpc.report.table import Table

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
