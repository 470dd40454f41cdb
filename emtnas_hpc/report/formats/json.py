"""Tables as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emtnas_hpc.report.table import Entry, Row, Table


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
