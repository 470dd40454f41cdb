"""Retrainings that fit no row of the paper's tables, as a list."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.columns import column
from emtnas_hpc.report.experiments import Recipe
from emtnas_hpc.report.filling import fitted
from emtnas_hpc.report.notes.meaning import describe_recipe, meanings
from emtnas_hpc.report.quantities import pairs_of
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.table import Entry, Row, Table, diverged_of, sample_of

_COLUMNS = (
    column("accuracy", name="Test"),
    *map(column, ("top5", "auc", "parameters", "macs")),
)
_SHOWN_DIGITS = 6
_LABELS = ("Experiment", "Found on", "Data set", "N", "Recipe")

#: A run with what was retrained in it.
Members = list[tuple[Run, Retraining]]


def other_table(runs: Sequence[Run], used: Collection[str]) -> Table:
    """All finished retrainings but those whose signatures were used elsewhere."""
    groups: dict[tuple[str, str], Members] = defaultdict(list)
    for run in runs:
        for retraining in run.retrainings:
            header = retraining.header
            if retraining.finished and header.signature not in used:
                key = (header.experiment, header.experiment_signature)
                groups[key].append((run, retraining))
    rows = tuple(_told_apart([_row(groups[key]) for key in sorted(groups)], sorted(groups)))
    recipes = sorted({Recipe.of(r) for members in groups.values() for _run, r in members})
    table = fitted(Table("other", "Other experiments", _LABELS, _COLUMNS, rows))
    notes = (
        "Mean ± sample standard deviation over seeds (n in brackets).",
        *map(describe_recipe, recipes),
        *meanings(table),
        *table.diverged_notes,
    )
    return table.with_notes(notes)


def _told_apart(rows: Sequence[Row], keys: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Rows of one label, such as of two sets of images, with a part of their signatures."""
    alike = Counter(row.labels for row in rows)
    for row, (_name, signature) in zip(rows, keys, strict=True):
        if alike[row.labels] == 1:
            yield row
        else:
            *others, recipe = row.labels
            labels = (*others, f"{recipe} [{signature[:_SHOWN_DIGITS]}]")
            yield replace(row, key=" ".join(labels), labels=labels)


def _row(members: Members) -> Row:
    header = members[0][1].header
    labels = (
        header.experiment,
        header.found_on or "-",
        header.task,
        str(header.shape.n_normal),
        header.recipe,
    )
    entries = tuple(_entry(members, column.quantity) for column in _COLUMNS)
    return Row(" ".join(labels), labels, entries, ours=True)


def _entry(members: Members, quantity: str) -> Entry:
    pairs = pairs_of(members, quantity)
    return Entry(sample_of(pairs), diverged=diverged_of(pairs))
