"""Experiments with values of one's own making, as contrasts are asked of them."""

from pathlib import Path

from emtnas_hpc.report.contrasts import contrast_tables
from emtnas_hpc.report.experiments import ExperimentRuns, Family, Kind, Recipe
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.measurements import CellValues

PAIR = ("cifar10", "cifar100")
QUICK = Recipe("quick", "ours", 6, 8)
LOW, HIGH = (1.0, 2.0, 3.0, 4.0, 5.0), (11.0, 12.5, 13.0, 14.0, 15.0)


def kind_of(*tasks, rmp=None, reevaluate=False, random=False):
    """Of an experiment; a joint one has the paper's probability unless another one is given."""
    is_joint = len(tasks) > 1 and not random
    return Kind(frozenset(tasks), reevaluate, 0.3 if is_joint and rmp is None else rmp, random)


def own(kind, n_normal=2):
    """What a kind's networks are of: each of its data sets, found on that."""
    return [(task, task, n_normal) for task in kind.tasks]


def values_by_hand(networks, times=(), recipe=QUICK):
    """Values by seed, from 0: of `networks[kind][task, found_on, n]`, and of `times[kind]`."""
    parts = {
        (kind, *network, recipe, "accuracy"): CellValues(dict(enumerate(values)))
        for kind, each in networks.items()
        for network, values in each.items()
    }
    for kind, values in dict(times).items():
        parts[kind, "", "", 0, "", "time_total"] = CellValues(dict(enumerate(values)))
    return parts


def family_of(kinds):
    """A family of experiments of these kinds, whose data sets are in the order of their names."""
    return Family(
        experiments={
            kind: ExperimentRuns(
                str(i), f"{i}", (Run(Path(), own_tasks=tuple(sorted(kind.tasks))),)
            )
            for i, kind in enumerate(kinds)
        }
    )


def tables_by_hand(networks, times=(), stated=None):
    """All contrasts of such values."""
    kinds = dict.fromkeys([*networks, *dict(times)])
    return list(contrast_tables([(family_of(kinds), values_by_hand(networks, times))], stated))


def alike(*kinds, values=LOW, n_normal=2):
    """The same values for all networks of these kinds."""
    return {kind: dict.fromkeys(own(kind, n_normal), values) for kind in kinds}


def numbers(row, table):
    """The numbers of a row by column; what is empty is left out."""
    cells = zip(table.columns, row.cells, strict=True)
    return {column.key: cell.estimate.mean for column, cell in cells if cell.estimate}


def rows_of(table, claim):
    """Contrast and data set of each row of a claim, in their order."""
    return [(row.labels[1], row.labels[3]) for row in table.rows if row.labels[0] == claim]
