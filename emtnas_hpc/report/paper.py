"""Tables before they are filled: their rows, their columns, and every number that was printed."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from emtnas_hpc.report.experiments import Kind, RowSpec
from emtnas_hpc.report.load import heading
from emtnas_hpc.report.table import Column, Quoted, quote

_NUMBERS_FOLDER = Path(__file__).parent / "numbers"
#: Tables that runs can fill.
NUMBERS = (2, 3, 4, 5, 6)
SOURCE = "Liao, Jin, Du, CVPR 2023"
PAPER = f"{SOURCE} (5 seeds)"
RERUN = "an independent re-run, KTNAS, Zhang et al., IEEE TETCI 2026, Table VI"
#: The data sets of Tables 3, 5 and 6, and those of Table 2 in the order of its columns.
CIFAR = ("cifar10", "cifar100")
MEDICAL = ("pathmnist", "organamnist", "organcmnist", "organsmnist")


@dataclass(frozen=True)
class TableRow:
    """One row.

    Attributes:
        labels: its words.
        spec: the experiments that fill it; None for a row that is quoted only.
        quoted: printed numbers by column and origin; what was left empty is not there.
    """

    labels: tuple[str, ...]
    spec: RowSpec | None
    quoted: Mapping[str, Mapping[str, Quoted]] = field(default_factory=dict)


@dataclass(frozen=True)
class TableSpec:
    """One table.

    Attributes:
        number: of the paper's table that it is laid out as.
        title: without that number.
        labels: headings of the words.
        columns: of the values.
        rows: top to bottom.
        is_paper: whether it has the paper's data sets and networks, and its printed numbers.
    """

    number: int
    title: str
    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    is_paper: bool = False

    @property
    def kinds(self) -> frozenset[Kind]:
        """All experiments that its rows need."""
        return frozenset(kind for row in self.rows if row.spec for kind in row.spec.kinds)

    @property
    def depth(self) -> int | None:
        """N of its networks; None if its rows differ in it."""
        depths = {row.spec.n_normal for row in self.rows if row.spec is not None}
        return depths.pop() if len(depths) == 1 else None

    def stacked(self, n_normal: int) -> "TableSpec":
        """With networks of so many normal cells between two reductions."""
        rows = (
            row if row.spec is None else replace(row, spec=replace(row.spec, n_normal=n_normal))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a column may hold; `numbers/quantities.toml` says what each field means."""

    heading: str
    decimals: int
    meaning: str = ""
    signed: bool = False
    tested: bool = False
    widens: bool = False
    optional: bool = False


@cache
def quantities() -> dict[str, Quantity]:
    """Every quantity by its name in a column's key."""
    return {name: Quantity(**values) for name, values in _read("quantities.toml").items()}


def make_column(
    key: str, headings: Mapping[str, str] | None = None, decimals: Mapping[str, int] | None = None
) -> Column:
    """A column by its key; headings and decimals by quantity replace the quantity's own."""
    task, _, quantity = key.rpartition(".")
    known = quantities()[quantity]
    text = (headings or {}).get(quantity, known.heading).format(heading(task)).strip()
    return Column(
        key,
        text if task else text[:1].upper() + text[1:],
        (decimals or {}).get(quantity, known.decimals),
        signed=known.signed,
        tested=known.tested,
    )


@cache
def paper_table(number: int) -> TableSpec:
    """One of the Tables 2 to 6 as it was printed, a re-run's numbers beside its own."""
    printed = _read(f"table{number}.toml")
    rows = [_row(row, printed["columns"], "paper") for row in printed["rows"]]
    if number == 2:
        again = _read("rerun2.toml")
        rerun = [_row(row, again["columns"], "rerun") for row in again["rows"]]
        quoted = {row.spec: row.quoted for row in rerun}
        rows = [_with_more(row, quoted.get(row.spec, {})) for row in rows]
    columns = _columns(number, printed["columns"])
    labels = tuple(printed["labels"])
    return TableSpec(number, _title(number, CIFAR), labels, columns, tuple(rows), is_paper=True)


def like_paper(
    number: int, tasks: tuple[str, str], probabilities: Iterable[float] | None = None
) -> TableSpec:
    """Table 5 or 6 for two data sets of one's own, nothing quoted; Table 6 for these rmp."""
    printed = paper_table(number)
    names = dict(zip(CIFAR, tasks, strict=True))
    keys = (f"{names[c.task]}.{c.quantity}" if c.task else c.key for c in printed.columns)
    if probabilities is None:
        specs = [(row.labels, replace(row.spec, tasks=tasks)) for row in printed.rows if row.spec]
    else:
        specs = [((f"{rmp:g}",), sweep_row(tasks, rmp)) for rmp in sorted(probabilities)]
    return TableSpec(
        number,
        _title(number, tasks),
        printed.labels,
        _columns(number, keys),
        tuple(TableRow(labels, spec) for labels, spec in specs),
    )


def sweep_row(tasks: tuple[str, ...], rmp: float) -> RowSpec:
    """A row of Table 6."""
    return RowSpec(tasks, joint=True, reevaluate=True, rmp=rmp)


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


def _row(row: dict[str, Any], columns: list[str], origin: str) -> TableRow:
    """A row without `spec` is quoted only; joint searches are re-evaluated as the paper's are."""
    spec = row.get("spec")
    if spec is not None:
        spec = RowSpec(**{"reevaluate": spec["joint"], **spec, "tasks": tuple(spec["tasks"])})
    cells = zip(columns, row["cells"], strict=True)
    return TableRow(
        tuple(row["labels"]), spec, {key: {origin: quote(text)} for key, text in cells if text}
    )


def _with_more(row: TableRow, more: Mapping[str, Mapping[str, Quoted]]) -> TableRow:
    if row.spec is None:
        return row
    keys = {**row.quoted, **more}
    return replace(row, quoted={k: {**row.quoted.get(k, {}), **more.get(k, {})} for k in keys})


def _title(number: int, tasks: tuple[str, ...]) -> str:
    title: str = _read("layouts.toml")[f"table{number}"]["title"]
    return title.format(" and ".join(map(heading, tasks)))


def _columns(number: int, keys: Iterable[str]) -> tuple[Column, ...]:
    layout = _read("layouts.toml")[f"table{number}"]
    return tuple(make_column(key, layout.get("headings"), layout.get("decimals")) for key in keys)


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_NUMBERS_FOLDER / name).read_text(encoding="utf-8"))
