"""What the formats share: the columns as they are shown, and the words in their cells."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from emtnas_hpc.report.table import Column, Entry, Row, Table

#: Whose number it is.
Origin = Literal["ours", "paper", "re-run"]


@dataclass(frozen=True)
class Shown:
    """A cell in words.

    Attributes:
        text: mean and deviation; or why there is none. May be empty.
        n: seeds, of our own numbers; where all of them diverged, so many did.
        stars: that belong behind it.
        bold: whether it is the best of its column.
        is_value: whether it is a number.
    """

    text: str
    n: int | None = None
    stars: int = 0
    bold: bool = False
    is_value: bool = True

    @property
    def full(self) -> str:
        """With n in brackets: `96.73 ±0.15 (5)`."""
        return self.text if self.n is None else f"{self.text} ({self.n})"

    @property
    def without_n(self) -> str:
        """A value for a table that says n itself; of seeds that diverged, how many stays."""
        return self.text if self.is_value else self.full


def origins(table: Table, index: int) -> tuple[Origin, ...]:
    """Whose numbers a column has, ours first; a table without a row of ours has none of ours."""
    entries = [row.entries[index] for row in table.rows]
    found: list[Origin] = ["ours"]
    if any(entry.paper is not None for entry in entries):
        found.append("paper")
    if any(entry.rerun is not None for entry in entries):
        found.append("re-run")
    return tuple(found)


def shown_columns(table: Table) -> Iterator[tuple[int, Column, Origin]]:
    """Every column once for each origin of its numbers, from left to right."""
    for index, column in enumerate(table.columns):
        for origin in origins(table, index):
            yield index, column, origin


def shown(entry: Entry, column: Column, origin: Origin) -> Shown:
    """A cell in words."""
    if origin != "ours":
        quoted = entry.paper if origin == "paper" else entry.rerun
        return Shown("" if quoted is None else quoted.text)
    if entry.sample is None and entry.diverged:
        return Shown("diverged", len(entry.diverged), is_value=False)
    if entry.sample is None:
        return Shown(entry.missing, is_value=False)
    n = len(entry.sample.values)
    return Shown(measured(entry, column), n, entry.stars, entry.best)


def cells_of(row: Row, table: Table) -> Iterator[Shown]:
    """A row's words, and then its cells."""
    for label in row.labels:
        yield Shown(label, is_value=False)
    for index, column, origin in shown_columns(table):
        yield shown(row.entries[index], column, origin)


def measured(entry: Entry, column: Column) -> str:
    """`96.73 ±0.15`; without a deviation where there is one seed."""
    assert entry.sample is not None
    found = entry.sample.estimate
    sign = "+" if column.signed else ""
    # Rounded first: what becomes zero then has no minus.
    text = f"{round(found.mean, column.decimals) + 0.0:{sign}.{column.decimals}f}"
    if not math.isnan(found.std):
        text += f" ±{found.std:.{column.decimals}f}"
    return text
