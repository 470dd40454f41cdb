"""Every number of the paper's Tables 2 to 6, and those of an independent re-run, as data."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emtnas_hpc.report.experiments import RowSpec

_NUMBERS_FOLDER = Path(__file__).parent / "numbers"
#: Tables that runs can fill.
NUMBERS = (2, 3, 4, 5, 6)
SOURCE = "Liao, Jin, Du, CVPR 2023"
PAPER = f"{SOURCE} (5 seeds)"
RERUN = "an independent re-run, KTNAS, Zhang et al., IEEE TETCI 2026, Table VI"

#: `91.6+-0.5`, `-11.0`, `+00.0`.
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)(?:\+-(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Quoted:
    """A number as it was printed.

    Attributes:
        text: with `±` between mean and deviation.
        mean: None where the text is no single number (`*`, `-`, `27/36`).
        std: standard deviation, None where none was printed.
    """

    text: str
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class PaperRow:
    """A row as it was printed.

    Attributes:
        labels: its words.
        cells: its numbers by column; what was left empty is not there.
        spec: what would fill it, None for a row that was quoted from elsewhere.
    """

    labels: tuple[str, ...]
    cells: dict[str, Quoted]
    spec: RowSpec | None


@dataclass(frozen=True)
class PaperTable:
    """A table as it was printed: headings of its words, keys of its columns, rows."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[PaperRow, ...]

    def find(self, spec: RowSpec) -> PaperRow | None:
        """The row that asks for the same."""
        return next((row for row in self.rows if row.spec == spec), None)


@cache
def paper_table(number: int) -> PaperTable:
    """One of the Tables 2 to 6."""
    return _table(f"table{number}.toml")


@cache
def rerun_table() -> PaperTable:
    """What the re-run says of rows of Table 2."""
    return _table("rerun2.toml")


@cache
def paper_settings(tasks: frozenset[str]) -> dict[str, Any]:
    """What Table 1 says of searches for these tasks, by the settings' dotted names."""
    tables = _read("settings.toml")
    which = "cifar" if any(task.startswith("cifar") for task in tasks) else "medmnist"
    return {**tables["common"], **tables[which]}


@cache
def paper_images(name: str) -> dict[str, Any]:
    """How images of a data set of the paper are loaded and augmented; of another one, nothing."""
    return dict(_read("settings.toml")["images"].get(name, {}))


def quote(text: str) -> Quoted:
    """Reads a printed number."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return Quoted(text, None, None)
    std = None if match[2] is None else float(match[2])
    return Quoted(text.replace("+-", " ±"), float(match[1]), std)


def _table(name: str) -> PaperTable:
    table = _read(name)
    columns = tuple(table["columns"])
    return PaperTable(
        tuple(table["labels"]), columns, tuple(_row(row, columns) for row in table["rows"])
    )


def _row(row: dict[str, Any], columns: tuple[str, ...]) -> PaperRow:
    cells = zip(columns, row["cells"], strict=True)
    spec = row.get("spec")
    return PaperRow(
        tuple(row["labels"]),
        {column: quote(text) for column, text in cells if text},
        None if spec is None else _spec(spec),
    )


def _spec(values: dict[str, Any]) -> RowSpec:
    """What it leaves out is as in the paper's own searches: joint ones are re-evaluated."""
    tasks = tuple(values["tasks"])
    return RowSpec(**{"reevaluate": values["joint"], **values, "tasks": tasks})


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_NUMBERS_FOLDER / name).read_text(encoding="utf-8"))
