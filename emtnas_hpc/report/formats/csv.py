"""Tables as CSV: one line a cell, with every number that belongs to it; and searches, by seed."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.formats.json import cell_values
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.summary import SEARCH_COLUMNS
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


_OF_SEARCH = (
    *("experiment", "seed", "task", "quantity", "value", "unit", "generation", "n_generations"),
    *("diverged", "batch_norm", "experiment_signature", "directory"),
)


def searches_as_csv(runs: Sequence[Run]) -> str:
    """What searches found: a line for each seed, task and quantity of a search's table.

    All seeds are there. `diverged` is the first generation whose training loss is no finite number;
    such a seed is in no mean.
    """
    lines = (line for each in experiments_of(runs) for line in _lines_of_searches(each))
    return _written(_OF_SEARCH, lines)


def _lines_of_searches(experiment: Experiment) -> Iterator[dict[str, Any]]:
    for run in experiment.runs:
        if run.search is None:
            continue
        for task in run.search.tasks:
            for column in SEARCH_COLUMNS:
                value = column.value(task)
                yield {
                    "experiment": experiment.title,
                    "seed": run.search.seed,
                    "task": task.task,
                    "quantity": column.key,
                    # As it was before it was scaled: 45.23, not 45.230000000000004.
                    "value": None if math.isnan(value) else f"{value:.12g}",
                    "unit": column.unit,
                    "generation": run.search.generation,
                    "n_generations": run.search.n_generations,
                    "diverged": task.diverged_in,
                    "batch_norm": run.search.batch_norm,
                    "experiment_signature": experiment.signature,
                    "directory": run.directory,
                }


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
