"""A table as data: what every format is made from."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.stats import LEVEL, Estimate, PermutationTest, estimate

#: Whose number it is, as a heading says it, and its key in `TableCell.quoted`.
ORIGINS = {"ours": "", "paper": "paper", "re-run": "rerun"}

#: How a row is named in a sentence: what goes before labels, and which are left out.
_PREFIXES = {"Index": "row ", "RMP": "RMP "}
_UNSAID = ("# Tasks", "Search Method")

#: `91.6+-0.5`, `-11.0`, `+00.0`.
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)(?:\+-(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Quoted:
    """A number as it was printed; `mean` is None where it is no single number (`*`, `27/36`)."""

    text: str
    mean: float | None
    std: float | None


def quote(text: str) -> Quoted:
    """Reads a printed number."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return Quoted(text, None, None)
    std = None if match[2] is None else float(match[2])
    return Quoted(text.replace("+-", " ±"), float(match[1]), std)


@dataclass(frozen=True)
class TableCell:
    """What one column of one row holds.

    Attributes:
        seeds: that are averaged; `values` are theirs, in the column's unit.
        diverged: seeds whose training diverged; they are not averaged.
        estimate: None where nothing was measured.
        missing: the text shown without an estimate, such as `not run`; empty where none is due.
        quoted: printed values by origin: "paper", "rerun".
        test: against the baseline, where there is one; `n_baseline` seeds of it.
        q: the test's p after Holm's adjustment within the column.
    """

    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    diverged: tuple[int, ...] = ()
    estimate: Estimate | None = None
    missing: str = ""
    quoted: Mapping[str, Quoted] = field(default_factory=dict)
    test: PermutationTest | None = None
    n_baseline: int = 0
    q: float | None = None
    best: bool = False

    @classmethod
    def of(cls, values: Mapping[int, float], diverged: Iterable[int] = ()) -> "TableCell":
        """A cell of values by seed; of what a diverged seed measured nothing is kept."""
        diverged = tuple(sorted(diverged))
        kept = {
            seed: value
            for seed, value in sorted(values.items())
            if seed not in diverged and not math.isnan(value)
        }
        found = tuple(kept.values())
        return cls(tuple(kept), found, diverged, estimate(found) if found else None)

    def scaled(self, scale: Callable[[float], float]) -> "TableCell":
        """The same values in another unit."""
        values = zip(self.seeds, map(scale, self.values), strict=True)
        return TableCell.of(dict(values), self.diverged)

    @property
    def n(self) -> int | None:
        """Seeds behind the text: of all that diverged, where nothing else is there."""
        return (len(self.seeds) or len(self.diverged)) or None

    @property
    def printed(self) -> list[tuple[str, str]]:
        """What others printed: whose it is as a heading says it, and the text."""
        quoted = self.quoted
        return [(name, quoted[key].text) for name, key in ORIGINS.items() if key in quoted]

    @property
    def stars(self) -> int:
        """Two for q, one for p below 0.05."""
        if self.test is None or self.test.p >= LEVEL:
            return 0
        return 2 if self.q is not None and self.q < LEVEL else 1


@dataclass(frozen=True)
class Column:
    """A column of measured values.

    Attributes:
        key: its name in files that programs read: `<task>.<quantity>`, or `<quantity>`.
        heading: with the unit.
        signed: whether a plus is shown too.
        tested: whether its means are compared with the baseline's, and the best is set in bold.
    """

    key: str
    heading: str
    decimals: int
    signed: bool = False
    tested: bool = False

    @property
    def task(self) -> str | None:
        """The data set that it is about."""
        return self.key.rpartition(".")[0] or None

    @property
    def quantity(self) -> str:
        """What is measured."""
        return self.key.rpartition(".")[2]

    def text(self, cell: TableCell) -> str:
        """`96.73 ±0.15`, without a deviation of one seed; or why there is no number."""
        if cell.estimate is None:
            return "diverged" if cell.diverged else cell.missing
        sign = "+" if self.signed else ""
        # Rounded first: what becomes zero then has no minus.
        mean = round(cell.estimate.mean, self.decimals) + 0.0
        text = f"{mean:{sign}.{self.decimals}f}"
        if not math.isnan(cell.estimate.std):
            text += f" ±{cell.estimate.std:.{self.decimals}f}"
        return text

    def full(self, cell: TableCell, origin: str = "ours") -> str:
        """With n in brackets: `96.73 ±0.15 (5)`; of another origin, what was printed."""
        if origin != "ours":
            quoted = cell.quoted.get(ORIGINS[origin])
            return "" if quoted is None else quoted.text
        return self.text(cell) + ("" if cell.n is None else f" ({cell.n})")


@dataclass(frozen=True)
class Row:
    """One row: words, then a cell a column. Runs can fill `ours`; the others are quoted."""

    key: str
    labels: tuple[str, ...]
    cells: tuple[TableCell, ...]
    ours: bool = True


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: `table2` to `table6`, `sweep-` with a setting, or `other`; with `-2` and so on for
            further ones of a kind.
        labels: headings of the words that a row begins with.
        notes: what stands below it.
    """

    key: str
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_contrasts(self) -> bool:
        """Whether its rows are differences with intervals, which a figure shows too."""
        return {"difference", "low", "high"} <= {column.key for column in self.columns}

    def lines(self, row: Row, index: int) -> list[str]:
        """A cell as lines: ours with its stars, and what was printed, by whom if beside ours."""
        cell = row.cells[index]
        if not row.ours:
            return [text for _name, text in cell.printed]
        ours = self.columns[index].full(cell) + "*" * cell.stars
        return [ours, *(f"{name} {text}" for name, text in cell.printed)]

    def cells(self, index: int) -> list[TableCell]:
        """A column from top to bottom."""
        return [row.cells[index] for row in self.rows]

    def origins(self, index: int) -> list[str]:
        """Whose numbers a column has, ours first, though there may be none of them."""
        there = {"", *(origin for cell in self.cells(index) for origin in cell.quoted)}
        return [name for name, key in ORIGINS.items() if key in there]

    def with_columns(self, indices: Iterable[int]) -> "Table":
        """The same rows with some of the columns."""
        kept = tuple(indices)
        rows = (replace(row, cells=tuple(row.cells[i] for i in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[i] for i in kept), rows=tuple(rows))

    def name_of(self, labels: tuple[str, ...]) -> str:
        """A row in words: its labels without those that are there to compare with others."""
        return " ".join(
            _PREFIXES.get(name, f"{name} " if "." in name else "") + label
            for name, label in zip(self.labels, labels, strict=True)
            if label and name not in _UNSAID
        )

    def short_name_of(self, labels: tuple[str, ...]) -> str:
        """A row by its number, if it has one; else in words."""
        index = dict(zip(self.labels, labels, strict=True)).get("Index")
        return f"row {index}" if index else self.name_of(labels)

    def diverged_notes(self) -> list[str]:
        """How many seeds of each row diverged, and which: `1 of 3 seeds diverged and is ...`."""
        found: dict[str, list[TableCell]] = defaultdict(list)
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if cell.diverged:
                    task = "" if column.task is None else f", {heading(column.task)}"
                    found[f"{self.name_of(row.labels)}{task}"].append(cell)
        # Of what was measured of fewer seeds, the others say all.
        most = {what: max(cells, key=_n_seeds) for what, cells in found.items()}
        return [f"{what}: {_left_out(cell)}." for what, cell in most.items()]


def _n_seeds(cell: TableCell) -> tuple[int, int]:
    """All of them, and those that diverged."""
    return len(cell.diverged) + len(cell.seeds), len(cell.diverged)


def _left_out(cell: TableCell) -> str:
    n_all, n = _n_seeds(cell)
    return (
        f"{n} of {n_all} seed{'s' * (n_all > 1)} diverged and {'are' if n > 1 else 'is'} left out: "
        f"{list_seeds(cell.diverged)}"
    )


def list_seeds(numbers: Iterable[int]) -> str:
    """`seed 0`, `seeds 0, 1, 4`."""
    texts = list(map(str, numbers))
    return f"seed{'s' * (len(texts) > 1)} {', '.join(texts)}"
