"""A table before it is filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from emtnas_hpc.report.paper import PaperTable, Quoted
from emtnas_hpc.report.rows import Kind, RowSpec
from emtnas_hpc.report.table import Column


@dataclass(frozen=True)
class LayoutRow:
    """One row before it is filled.

    Attributes:
        labels: its words.
        spec: what it asks for; None for a row that is quoted only.
        paper: printed values by column.
        rerun: those of the independent re-run.
    """

    labels: tuple[str, ...]
    spec: RowSpec | None
    paper: Mapping[str, Quoted] = field(default_factory=dict)
    rerun: Mapping[str, Quoted] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """One table before it is filled.

    Attributes:
        number: of the table in the paper.
        title: without its number.
        labels: headings of the words.
        columns: of the values.
        rows: top to bottom.
        is_paper: whether printed numbers stand in it: it has the paper's data sets and networks.
    """

    number: int
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[LayoutRow, ...]
    is_paper: bool

    @property
    def kinds(self) -> frozenset[Kind]:
        """All experiments that it asks for."""
        return frozenset(kind for row in self.rows if row.spec for kind in row.spec.kinds)

    def stacked(self, n_normal: int) -> "Layout":
        """With networks of so many normal cells between two reductions."""
        rows = (
            row if row.spec is None else replace(row, spec=replace(row.spec, n_normal=n_normal))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))


def paper_rows(table: PaperTable) -> tuple[LayoutRow, ...]:
    """The rows of a printed table."""
    return tuple(LayoutRow(row.labels, row.spec, row.cells) for row in table.rows)


def own_rows(rows: Sequence[tuple[tuple[str, ...], RowSpec]]) -> tuple[LayoutRow, ...]:
    """Rows that were never printed."""
    return tuple(LayoutRow(labels, spec) for labels, spec in rows)
