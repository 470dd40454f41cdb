"""Retrainings as rows of a table, or as plain values."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from emtnas_hpc.checkpoint.commits import read_committed, read_newest
from emtnas_hpc.checkpoint.paths import RECORD, RunPaths, StagePaths
from emtnas_hpc.cli.console import make_table
from emtnas_hpc.errors import EmtnasError, StorageError
from emtnas_hpc.report.render import plain
from emtnas_hpc.retraining.record import METRICS, Retraining, read_retraining

_HEADINGS = (
    *("epochs", "test %", *(f"{metric.name} {metric.unit}".strip() for metric in METRICS[1:])),
    *("params M", "all slices M", "MACs M"),
)


def read_retrainings(directory: Path, problems: list[EmtnasError]) -> list[tuple[str, Retraining]]:
    """The name and newest good record of every retraining; `problems` gets what cannot be read."""
    found = []
    try:
        stages = RunPaths(directory).retrainings()
    except EmtnasError as error:
        problems.append(error)
        return []
    for stage in stages:
        try:
            record = read_committed(stage, RECORD, read_retraining)
        except EmtnasError as error:
            problems.append(error)
        else:
            found += [] if record is None else [(stage.directory.name, record)]
    return found


def read_record(stage: StagePaths) -> Retraining | None:
    """The newest good record of a retraining; None if it has none, or none that can be read."""
    try:
        return read_newest(stage, RECORD, read_retraining)
    except StorageError:
        return None


def retrainings_table(
    names: Sequence[str], rows: Sequence[tuple[Sequence[str], Retraining]]
) -> Table:
    """A table of retrainings.

    Args:
        names: headings of the columns that say which one it is.
        rows: for each what stands in those columns, and its record.
    """
    table = make_table()
    for heading in names:
        table.add_column(heading)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for which, record in rows:
        table.add_row(*which, *_cells(record))
    return table


def summary_of(record: Retraining) -> dict[str, Any]:
    """A retraining as plain values, without its curve; one that diverged has no accuracy."""
    values = asdict(replace(record, test=record.result))
    epochs, header = values.pop("epochs"), values.pop("header")
    del values["part"]
    values |= {"epochs": len(epochs), "diverged": record.diverged or None}
    return plain({**header, **values})  # type: ignore[no-any-return]


def _cells(record: Retraining) -> tuple[str, ...]:
    test = record.result
    accuracy, *others = (metric.text(test) if test else "" for metric in METRICS)
    return (
        f"{len(record.epochs)}/{record.header.n_epochs}",
        "diverged" if record.diverged else accuracy or "-",
        *(text or "-" for text in others),
        f"{record.parameters_in_use / 1e6:.3f}",
        f"{record.parameters / 1e6:.3f}",
        f"{record.macs / 1e6:.2f}",
    )
