"""Retrainings that fit no row of the paper's tables, as a list."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.experiments import Recipe, seed_of
from emtnas_hpc.report.notes.meaning import describe_recipe
from emtnas_hpc.report.runs import Run
from emtnas_hpc.report.table import Column, Entry, Row, Sample, Table

_COLUMNS = (
    Column("accuracy", "Test (%)", 2),
    Column("top5", "Top-5 (%)", 2),
    Column("auc", "AUC", 4),
    Column("parameters", "Params (M)", 3),
    Column("macs", "MACs (M)", 1),
)
_VALUES: dict[str, Callable[[Retraining], float | None]] = {
    "accuracy": lambda r: 100 * r.test.accuracy if r.test else None,
    "top5": lambda r: 100 * r.test.top5 if r.test and r.test.top5 is not None else None,
    "auc": lambda r: r.test.auc if r.test else None,
    "parameters": lambda r: r.parameters / 1e6,
    "macs": lambda r: r.macs / 1e6,
}
_LABELS = ("Experiment", "Found on", "Data set", "N", "Recipe")

#: A seed with what was retrained in it.
Members = list[tuple[int, Retraining]]


def other_table(runs: Sequence[Run], used: Collection[str]) -> Table:
    """All finished retrainings but those whose signatures were used elsewhere."""
    groups: dict[tuple[str, str], Members] = defaultdict(list)
    for run in runs:
        for retraining in run.retrainings:
            header = retraining.header
            if retraining.finished and header.signature not in used:
                key = (header.experiment, header.experiment_signature)
                groups[key].append((seed_of(run), retraining))
    rows = [_row(groups[key]) for key in sorted(groups)]
    recipes = sorted({Recipe.of(r) for members in groups.values() for _seed, r in members})
    notes = (
        "Mean ± sample standard deviation over seeds (n in brackets).",
        *map(describe_recipe, recipes),
        "Params: every output slice of the 1x1 convolutions counted; MACs of convolutions and "
        "classifier; AUC: medmnist's evaluator.",
    )
    columns = tuple(
        column
        for i, column in enumerate(_COLUMNS)
        if any(row.entries[i].sample is not None for row in rows)
    )
    kept = [_COLUMNS.index(column) for column in columns]
    rows = [Row(r.key, r.labels, tuple(r.entries[i] for i in kept), ours=True) for r in rows]
    return Table("other", "Other experiments", _LABELS, columns, tuple(rows), notes)


def _row(members: Members) -> Row:
    header = members[0][1].header
    labels = (
        header.experiment,
        header.found_on or "-",
        header.task,
        str(header.shape.n_normal),
        header.recipe,
    )
    entries = tuple(_entry(members, _VALUES[column.key]) for column in _COLUMNS)
    return Row(" ".join(labels), labels, entries, ours=True)


def _entry(members: Members, value_of: Callable[[Retraining], float | None]) -> Entry:
    pairs = [(seed, value_of(retraining)) for seed, retraining in members]
    known = sorted((seed, value) for seed, value in pairs if value is not None)
    if not known:
        return Entry()
    seeds, values = zip(*known, strict=True)
    return Entry(Sample(tuple(seeds), tuple(values)))
