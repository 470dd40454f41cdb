"""A table as data: what every format is made from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.paper import Quoted
from emtnas_hpc.report.statistics import LEVEL, Comparison, Estimate, estimate

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
