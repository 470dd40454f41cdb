"""A table as data: what every format is made from."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from emtnas_hpc.report.load import heading
from emtnas_hpc.report.paper import Quoted
from emtnas_hpc.report.stats import LEVEL, Comparison, Estimate, estimate

NOT_RUN = "not run"

#: How a row is named in a sentence: what goes before labels, and which are left out.
_PREFIXES = {"Index": "row ", "RMP": "RMP "}
_UNSAID = ("# Tasks", "Search Method")


@dataclass(frozen=True)
class Column:
    """A column of measured values.

    Attributes:
        key: its name in files that programs read: `<task>.<quantity>`, or `<quantity>`.
        heading: with the unit.
        decimals: that are shown.
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


@dataclass(frozen=True)
class Sample:
    """Values of one quantity, one a seed, in the column's unit."""

    seeds: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        """Mean, deviation, n."""
        return estimate(self.values)


@dataclass(frozen=True)
class Entry:
    """What stands in one column of one row.

    Attributes:
        sample: of our runs, None where there are none.
        missing: what is said then; nothing where none could be expected.
        paper: printed value, if any; likewise that of the re-run.
        test: against the baseline, where there is one.
        n_baseline: seeds of it.
        q: its p after Holm's adjustment within the column.
        best: whether its mean is the best of the column.
        diverged: seeds whose training did, in the search or in the retraining: no part of the
            sample.
    """

    sample: Sample | None = None
    missing: str = ""
    paper: Quoted | None = None
    rerun: Quoted | None = None
    test: Comparison | None = None
    n_baseline: int = 0
    q: float | None = None
    best: bool = False
    diverged: tuple[int, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether there are seeds, be they such that diverged."""
        return self.sample is not None or bool(self.diverged)

    @property
    def n_seeds(self) -> int:
        """All that there are, with those that diverged."""
        return len(self.diverged) + (0 if self.sample is None else len(self.sample.seeds))

    @property
    def stars(self) -> int:
        """Two for q, one for p below 0.05."""
        if self.test is None or self.test.p >= LEVEL:
            return 0
        return 2 if self.q is not None and self.q < LEVEL else 1


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        key: its name in files that programs read.
        labels: its words, one for every label heading.
        entries: one a column.
        ours: whether runs can fill it; the others are quoted.
    """

    key: str
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    ours: bool


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: `table2` to `table6`, or `other`, with `-2` and so on for further ones of a kind.
        title: one line.
        labels: headings of the words.
        columns: of the values.
        rows: top to bottom.
        notes: what stands below it.
    """

    key: str
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def name_of(self, row: Row) -> str:
        """A row in words: its labels without those that are there to compare with others."""
        return " ".join(
            _PREFIXES.get(heading, "") + label
            for heading, label in zip(self.labels, row.labels, strict=True)
            if label and heading not in _UNSAID
        )

    def short_name_of(self, row: Row) -> str:
        """A row by its number, if it has one; else in words."""
        index = dict(zip(self.labels, row.labels, strict=True)).get("Index")
        return f"row {index}" if index else self.name_of(row)

    @property
    def diverged_notes(self) -> list[str]:
        """How many seeds each row has that diverged, and which: they are in none of its numbers."""
        notes: dict[str, None] = {}
        for row in self.rows:
            for column, entry in zip(self.columns, row.entries, strict=True):
                if entry.diverged:
                    task = "" if column.task is None else f", {heading(column.task)}"
                    notes[f"{self.name_of(row)}{task}: {_left_out(entry)}."] = None
        return list(notes)

    def with_notes(self, notes: tuple[str, ...]) -> "Table":
        """With these notes below it."""
        return replace(self, notes=notes)


def _left_out(entry: Entry) -> str:
    """`1 of 3 seeds diverged and is left out: seed 2`."""
    some = len(entry.diverged) > 1
    return (
        f"{len(entry.diverged)} of {entry.n_seeds} seed{'s' * (entry.n_seeds > 1)} diverged and "
        f"{'are' if some else 'is'} left out: seed{'s' * some} "
        f"{', '.join(map(str, entry.diverged))}"
    )


def sample_of(pairs: Iterable[tuple[int, float]]) -> Sample | None:
    """Seeds with their values, by seed; nan is a seed that diverged, and no value."""
    known = sorted((seed, value) for seed, value in pairs if not math.isnan(value))
    if not known:
        return None
    seeds, values = zip(*known, strict=True)
    return Sample(tuple(seeds), tuple(values))


def diverged_of(pairs: Iterable[tuple[int, float]]) -> tuple[int, ...]:
    """The seeds that diverged: theirs is nan."""
    return tuple(sorted(seed for seed, value in pairs if math.isnan(value)))


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
